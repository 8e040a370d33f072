export * from './batch.processor.js';
export * from './batch.role.js';
export * from './batch.settings.js';
export * from './sweeper.js';
