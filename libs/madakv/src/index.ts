export * from './errors.js';
export type * from './policy.js';
