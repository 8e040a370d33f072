import type { ModelConfig } from '../family.js';

/** Qwen2.5-VL's vision transformer: RMSNorm, 2-D rotary positions, gated SiLU MLP, attention in windows or full. */
export interface QwenVisionConfig {
  layers: number;
  hiddenSize: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  channels: number;
  /** Pixels along one side of a patch. */
  patchSize: number;
  /** A still image is repeated this many times along time. */
  temporalPatchSize: number;
  /** Patches along one side of the square that the merger turns into one visual token. */
  mergeSize: number;
  /** Merged cells along one side of a full attention window. */
  windowCells: number;
  /** Layers that attend to the whole image; all others attend within windows. */
  fullAttentionLayers: number[];
  /** Hidden size of the decoder. */
  outputSize: number;
  ropeTheta: number;
  rmsNormEps: number;
  hiddenAct: 'silu';
}

export type QwenConfig = ModelConfig<QwenVisionConfig>;
