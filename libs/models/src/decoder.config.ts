/** How rotary frequencies are stretched for contexts longer than the model was trained on. */
export type RopeScaling =
  | { kind: 'none' }
  | { kind: 'linear'; factor: number }
  | {
      kind: 'llama3';
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalPositions: number;
    }
  | {
      kind: 'yarn';
      factor: number;
      originalPositions: number;
      /** Frequencies that turn more often than this within the original positions are kept as they are. */
      fastRotations: number;
      /** Those that turn less often than this are stretched by the whole factor. */
      slowRotations: number;
      /** Whether the bounds between both are rounded to whole frequencies. */
      wholeBounds: boolean;
      /** What cos and sin are multiplied with. */
      magnitude: number;
    };

export interface RopeConfig {
  theta: number;
  scaling: RopeScaling;
  /**
   * M-RoPE: how many of the headDim/2 frequencies take their position from each axis (time, row, column, and again from
   * the start if there are more entries). Absent for one-dimensional rope.
   */
  sections?: number[];
  /**
   * M-RoPE: the axes take turns from one frequency to the next, rather than block by block, until the rows' and columns' sections are
   * used up; what is left is time's.
   */
  interleaved?: boolean;
}

/** A decoder-only transformer with RMSNorm, rotary positions, grouped-query attention and a gated SiLU MLP. */
export interface DecoderConfig {
  hiddenSize: number;
  layers: number;
  heads: number;
  /** Divides `heads`; `heads / kvHeads` queries share one key and value. */
  kvHeads: number;
  headDim: number;
  intermediateSize: number;
  vocabSize: number;
  maxPositions: number;
  rmsNormEps: number;
  hiddenAct: 'silu';
  rope: RopeConfig;
  qkvBias: boolean;
  outputBias: boolean;
  mlpBias: boolean;
  /** Queries and keys pass an RMSNorm of their own, head by head with one gain for all, before they are turned. */
  qkNorm?: boolean;
  /** Behind so many of the first layers, features of images are added to the rows of their tokens (DeepStack). */
  visualLayers?: number;
  /** The output head is the embedding matrix; there is no `lm_head.weight` of its own. */
  tiedEmbeddings: boolean;
}
