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
    };

export interface RopeConfig {
  theta: number;
  scaling: RopeScaling;
  /**
   * M-RoPE: how many of the headDim/2 frequencies take their position from each axis (time, row, column, and again from
   * the start if there are more entries). Absent for one-dimensional rope.
   */
  sections?: number[];
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
  /** The output head is the embedding matrix; there is no `lm_head.weight` of its own. */
  tiedEmbeddings: boolean;
}
