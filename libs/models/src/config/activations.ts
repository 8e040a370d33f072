import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { requireOneOf } from './config.file.js';

/** Activations that graphs know, see `activation` of graphs/layers.ts. */
export type Activation = 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'relu' | 'silu';

/** By the names that checkpoints have for them. */
const activations: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_new: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
};

/** @throws CheckpointError `unsupported_feature` naming the key */
export function requireActivation(folder: CheckpointFolder, key: string, value: string): Activation {
  return activations[requireOneOf(folder, key, value, Object.keys(activations))];
}
