import type { TextForm } from '../config/text.config.js';
import { textFamily } from '../text/text.family.js';

export const qwen2Form: TextForm = {
  defaults: {
    hiddenSize: 4096,
    intermediateSize: 22_016,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    vocabSize: 151_936,
    maxPositions: 32_768,
    rmsNormEps: 1e-6,
  },
  rope: { theta: 10_000 },
  biases: 'qkv',
  qkNorm: false,
  slidingWindow: 'switched',
};

/** Qwen2 and Qwen2.5, dense (arXiv:2407.10671). */
export const qwen2Family = textFamily('qwen2', qwen2Form);
