import type { Activation } from '../config/activations.js';
import type { ModelConfig } from '../family.js';

/** CLIP's vision transformer (pre-norm, learned positions, class token) and the two-layer projector behind it. */
export interface ClipVisionConfig {
  layers: number;
  hiddenSize: number;
  heads: number;
  headDim: number;
  intermediateSize: number;
  channels: number;
  /** Pixels along one side of the square input. */
  imageSize: number;
  patchSize: number;
  layerNormEps: number;
  hiddenAct: 'quick_gelu' | 'gelu';
  /**
   * Hidden states the projector reads, concatenated in this order: 0 is the embedding after `pre_layrnorm`, n the output
   * of layer n. Negative indices of the checkpoint are resolved.
   */
  featureLayers: number[];
  /** Whether the class token is projected too (`vision_feature_select_strategy: full`). */
  keepClassToken: boolean;
  projectorAct: Activation;
  projectorBias: boolean;
}

export type LlavaConfig = ModelConfig<ClipVisionConfig>;
