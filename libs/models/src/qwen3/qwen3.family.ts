import type { TextForm } from '../config/text.config.js';
import { qwen2Form } from '../qwen2/qwen2.family.js';
import { textFamily } from '../text/text.family.js';

export const qwen3Form: TextForm = {
  ...qwen2Form,
  defaults: { ...qwen2Form.defaults, headDim: 128 },
  biases: 'settings',
  qkNorm: true,
};

/** Qwen3, dense (arXiv:2505.09388). */
export const qwen3Family = textFamily('qwen3', qwen3Form);
