import type { TextForm } from '../config/text.config.js';
import { textFamily } from '../text/text.family.js';

export const llamaForm: TextForm = {
  defaults: {
    hiddenSize: 4096,
    intermediateSize: 11_008,
    layers: 32,
    heads: 32,
    vocabSize: 32_000,
    maxPositions: 2048,
    rmsNormEps: 1e-6,
  },
  rope: { theta: 10_000 },
  biases: 'settings',
  qkNorm: false,
  slidingWindow: 'none',
};

/** Llama 1 to 3.3 (arXiv:2302.13971, 2407.21783), and the many models of its layout. */
export const llamaFamily = textFamily('llama', llamaForm, { bos_token_id: 1, eos_token_id: 2 });
