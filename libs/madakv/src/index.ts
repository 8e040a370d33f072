/**
 * Which rows of the KV cache survive prefill: MadaKV and its rivals. Pure functions over typed arrays; imports nothing.
 *
 * Reading order: `policy.ts` (the interface), `policies/madakv.selector.ts` (one layer under MadaKV, step by step), and
 * the steps it takes: `pooling.ts`, `preference.ts` (6), `apportion.ts` (7, 8), `demand.ts` (9), `compensation.ts` (10),
 * `hcc.ts` (11), `topk.ts`. `request.plan.ts` says what is kept whatever the attention says. Rivals are one file each in
 * `policies/`, on the frame of `ranked.selector.ts`; `policies/registry.ts` is the table of all.
 */
export * from './apportion.js';
export * from './attention.kept.js';
export * from './compensation.js';
export * from './demand.js';
export * from './errors.js';
export * from './hcc.js';
export * from './heads.js';
export * from './layout.js';
export * from './merge.js';
export type * from './policy.js';
export { madakvDefaults, type MadaKvOptions, paperDefaults } from './policies/madakv.options.js';
export { createPolicy, policies, type PolicyEntry } from './policies/registry.js';
export * from './pooling.js';
export * from './preference.js';
export * from './profile.js';
export * from './scratch.js';
export * from './topk.js';
export * from './window.js';
