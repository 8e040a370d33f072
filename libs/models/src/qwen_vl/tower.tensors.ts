import { layerNormTensors, linear } from '../decoder.tensors.js';
import type { TensorSpec } from '../family.js';
import type { TowerConfig } from './tower.config.js';

/** Prefixes of today's files (`model.language_model`, `model.visual`) and of the older ones (`model`, `visual`). */
const renames: readonly (readonly [RegExp, string])[] = [
  [/^(?:model\.)?visual\./, 'vision.'],
  [/^model\.language_model\./, 'decoder.'],
  [/^language_model\.(?:model\.)?/, 'decoder.'],
  [/^model\.(?=embed_tokens\.|layers\.|norm\.)/, 'decoder.'],
  [/^lm_head\./, 'lm_head.'],
];

/** Normalised name of a tensor of any of Qwen's models with vision. */
export function qwenVlTensorName(name: string): string | undefined {
  if (name.endsWith('.inv_freq')) return undefined;
  const rename = renames.find(([pattern]) => pattern.test(name));
  return rename && name.replace(rename[0], rename[1]);
}

/** The tensors of a tower. The patch embedding is `[hidden, channels, frames, patch, patch]`. */
export function towerTensors(tower: TowerConfig): TensorSpec[] {
  const { hiddenSize: hidden, intermediateSize: inner, patchSize: patch, channels, positionSide } = tower;
  const kernel = [hidden, channels, tower.temporalPatchSize, patch, patch];
  const specs: TensorSpec[] = [{ name: 'vision.patch_embed.proj.weight', shape: kernel }];
  if (tower.patchBias) specs.push({ name: 'vision.patch_embed.proj.bias', shape: [hidden] });
  if (positionSide !== undefined) specs.push({ name: 'vision.pos_embed.weight', shape: [positionSide ** 2, hidden] });
  for (let layer = 0; layer < tower.layers; layer++) {
    const prefix = `vision.blocks.${layer}`;
    specs.push(
      ...layerNormTensors(`${prefix}.norm1`, hidden),
      ...layerNormTensors(`${prefix}.norm2`, hidden),
      ...linear(`${prefix}.attn.qkv`, 3 * hidden, hidden, true),
      ...linear(`${prefix}.attn.proj`, hidden, hidden, true),
      ...linear(`${prefix}.mlp.linear_fc1`, inner, hidden, true),
      ...linear(`${prefix}.mlp.linear_fc2`, hidden, inner, true),
    );
  }
  specs.push(...mergerTensors(tower, 'vision.merger', hidden));
  const merged = hidden * tower.mergeSize ** 2;
  for (const { merger } of tower.deepStack) {
    specs.push(...mergerTensors(tower, `vision.deepstack_merger_list.${merger}`, merged));
  }
  return specs;
}

function mergerTensors({ hiddenSize, mergeSize, outputSize }: TowerConfig, prefix: string, normed: number): TensorSpec[] {
  const merged = hiddenSize * mergeSize ** 2;
  return [
    ...layerNormTensors(`${prefix}.norm`, normed),
    ...linear(`${prefix}.linear_fc1`, merged, merged, true),
    ...linear(`${prefix}.linear_fc2`, outputSize, merged, true),
  ];
}
