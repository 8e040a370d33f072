import { z } from 'zod';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { requireActivation } from '../config/activations.js';
import { positive, requireMultiple } from '../config/config.file.js';
import { decoderTensors } from '../decoder.tensors.js';
import type { ModelConfig, ModelFamily } from '../family.js';
import { qwenForm } from '../qwen2_5_vl/qwen.config.js';
import { mropePositions } from '../qwen_vl/mrope.positions.js';
import { qwenImageProcessor } from '../qwen_vl/qwen.image.processor.js';
import { readQwenVl } from '../qwen_vl/qwen.vl.config.js';
import { requireOutput, requireQuarters, towerSchema, towerShape, type TowerConfig } from '../qwen_vl/tower.config.js';
import { qwenVlTensorName, towerTensors } from '../qwen_vl/tower.tensors.js';

export type Qwen2VlConfig = ModelConfig<TowerConfig>;

/** Here `hidden_size` is the decoder's; the tower's own is `embed_dim`. */
const visionSchema = towerSchema.extend({
  embed_dim: positive.default(1280),
  hidden_size: positive.default(3584),
  mlp_ratio: z.number().positive().default(4),
  hidden_act: z.string().default('quick_gelu'),
});

/** Names that the tower's graph has from Qwen3-VL. */
const renames: readonly (readonly [RegExp, string])[] = [
  [/^(vision\.merger)\.ln_q\./, '$1.norm.'],
  [/^(vision\.merger)\.mlp\.0\./, '$1.linear_fc1.'],
  [/^(vision\.merger)\.mlp\.2\./, '$1.linear_fc2.'],
  [/^(vision\.blocks\.\d+\.mlp)\.fc([12])\./, '$1.linear_fc$2.'],
];

/** Qwen2-VL (arXiv:2409.12191): the decoder and the positions of Qwen2.5-VL, with a tower of its own. */
export const qwen2VlFamily: ModelFamily<Qwen2VlConfig> = {
  modelType: 'qwen2_vl',
  parseConfig,
  tensorName: qwen2VlTensorName,
  tensors: ({ decoder, vision }) => [...decoderTensors(decoder), ...towerTensors(vision)],
  imageProcessor: qwenImageProcessor,
  positions: mropePositions,
};

export function qwen2VlTensorName(stored: string): string | undefined {
  const name = qwenVlTensorName(stored);
  const rename = name === undefined ? undefined : renames.find(([pattern]) => pattern.test(name));
  return rename === undefined ? name : name?.replace(rename[0], rename[1]);
}

function parseConfig(folder: CheckpointFolder): Qwen2VlConfig {
  const { decoder, vision, tokens } = readQwenVl(folder, qwenForm, visionSchema);
  const { embed_dim: hiddenSize, num_heads: heads } = vision;
  requireMultiple(folder, ['vision_config.embed_dim', hiddenSize], ['num_heads', heads]);
  requireQuarters(folder, hiddenSize / heads);
  requireOutput(folder, 'hidden_size', vision.hidden_size, decoder.hiddenSize);
  return {
    family: 'qwen2_vl',
    decoder,
    vision: {
      ...towerShape(vision),
      hiddenSize,
      headDim: hiddenSize / heads,
      intermediateSize: Math.trunc(hiddenSize * vision.mlp_ratio),
      hiddenAct: requireActivation(folder, 'vision_config.hidden_act', vision.hidden_act),
      outputSize: vision.hidden_size,
      patchBias: false,
      deepStack: [],
    },
    tokens,
  };
}
