import type { TextForm } from '../config/text.config.js';
import { textFamily } from '../text/text.family.js';

export const mistralForm: TextForm = {
  defaults: {
    hiddenSize: 4096,
    intermediateSize: 14_336,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    vocabSize: 32_000,
    maxPositions: 131_072,
    rmsNormEps: 1e-6,
  },
  rope: { theta: 10_000 },
  biases: 'none',
  qkNorm: false,
  slidingWindow: 'all',
};

/** Mistral (arXiv:2310.06825), from 0.2 on: without the sliding window of the first. */
export const mistralFamily = textFamily('mistral', mistralForm, { bos_token_id: 1, eos_token_id: 2 });
