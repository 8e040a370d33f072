export { buildModel, defaultCacheDir, type BuildOptions, type BuiltModel } from './build/built.model.js';
export { Engine, type EngineOptions } from './engine.js';
export * from './generation.js';
export { KvLedger } from './kv/kv.ledger.js';
export { promptLayout, countModalities, MODALITIES } from './prompt.layout.js';
export { GREEDY, type SamplingOptions, type TokenLogprob } from './sampling/sampler.js';
export { decodePositions, type CacheTrace, type LayerTrace } from './trace/cache.trace.js';
