export * from './attention.graph.js';
export { decodeAttention } from './decode.attention.graph.js';
export * from './device.cache.graph.js';
export { decoderStage, EMBEDDING_WEIGHT, headWeight } from './decoder.graph.js';
export type { BlobSink, Precision, TensorSource, WeightFormat } from './graph.weights.js';
export { quantiseOutputs, quantiseRows, type QuantisedMatrix } from './quantise.js';
export type { VisionGraph } from './vision.graph.js';
export { visualSum } from './visual.sum.graph.js';
export { hasVisionGraph, visionGraphOf } from './vision.graphs.js';
