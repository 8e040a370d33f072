export {
  buildModel,
  builtModelsDir,
  checkpointInput,
  defaultCacheDir,
  type BuildInput,
  type BuildOptions,
  type BuiltModel,
} from './build/built.model.js';
export { brokenBuilds, builtEntries, removeBuilt, type BuiltEntry, type BuiltRecord } from './build/built.record.js';
export { modelPrecision, type HalfOrFull, type ModelPrecision } from './build/half.precision.js';
export { loadSessions, type LoadedSessions } from './build/load.js';
export * from './calibrate/index.js';
export { decodeLikeliest, decodeStep, type StepInput } from './decoder/decode.step.js';
export { Decoder, type DecoderSessions } from './decoder/decoder.js';
export { prefill, type PrefillOptions } from './decoder/prefill.js';
export type {
  LayerKeeper,
  PrefillGroup,
  PrefillMember,
  PrefillOutcome,
  PrefillReport,
  PrefillResult,
} from './decoder/prefill.group.js';
export { Engine, type EngineOptions } from './engine.js';
export * from './generation.js';
export type { KvFormat, KvPrecision } from './kv/kept.part.js';
export {
  answerBytes,
  appendedTokens,
  freshRowBytes,
  keptRowBytes,
  kvGeometry,
  promptBufferBytes,
  type KvGeometry,
} from './kv/kv.need.js';
export { KvLedger } from './kv/kv.ledger.js';
export type { KvMemory, KvShape, LayerCache, LayerRows, Projections, PromptBuffer } from './kv/kv.memory.js';
export { HostLayerCache } from './kv/host.layer.cache.js';
export { promptLayout, countModalities, MODALITIES } from './prompt.layout.js';
export { GREEDY, type SamplingOptions, type TokenLogprob } from './sampling/sampler.js';
export type { TokenConstraint } from './sampling/token.constraint.js';
export {
  decodePositions,
  SHARING_REASONS,
  type CacheTrace,
  type LayerTrace,
  type PrefillSharing,
  type SharingReason,
} from './trace/cache.trace.js';
export type { DeferredImage, PromptImage } from './vision.encoder.js';
