import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { requireActivation } from '../config/activations.js';
import { CONFIG, positive, requireMultiple } from '../config/config.file.js';
import type { TextForm } from '../config/text.config.js';
import { decoderTensors } from '../decoder.tensors.js';
import type { ModelConfig, ModelFamily } from '../family.js';
import { mropePositions } from '../qwen_vl/mrope.positions.js';
import { qwenImageProcessor } from '../qwen_vl/qwen.image.processor.js';
import { readQwenVl } from '../qwen_vl/qwen.vl.config.js';
import { requireOutput, requireQuarters, towerSchema, towerShape, type TowerConfig } from '../qwen_vl/tower.config.js';
import { qwenVlTensorName, towerTensors } from '../qwen_vl/tower.tensors.js';

export type Qwen3VlConfig = ModelConfig<TowerConfig>;

const form: TextForm = {
  defaults: {
    hiddenSize: 4096,
    intermediateSize: 22_016,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    vocabSize: 151_936,
    maxPositions: 128_000,
    rmsNormEps: 1e-6,
  },
  rope: { theta: 500_000, sections: [24, 20, 20], interleaved: true },
  biases: 'settings',
  qkNorm: true,
  slidingWindow: 'none',
};

const visionSchema = towerSchema.extend({
  depth: positive.default(27),
  patch_size: positive.default(16),
  hidden_size: positive.default(1152),
  intermediate_size: positive.default(4304),
  out_hidden_size: positive.default(3584),
  num_position_embeddings: positive.default(2304),
  deepstack_visual_indexes: z.array(z.int().min(0)).default([8, 16, 24]),
  hidden_act: z.string().default('gelu_pytorch_tanh'),
});

/** Qwen3-VL, dense (arXiv:2511.21631). */
export const qwen3VlFamily: ModelFamily<Qwen3VlConfig> = {
  modelType: 'qwen3_vl',
  parseConfig,
  tensorName: qwenVlTensorName,
  tensors: ({ decoder, vision }) => [...decoderTensors(decoder), ...towerTensors(vision)],
  imageProcessor: qwenImageProcessor,
  positions: mropePositions,
};

function parseConfig(folder: CheckpointFolder): Qwen3VlConfig {
  const { decoder, vision, tokens } = readQwenVl(folder, form, visionSchema);
  const { hidden_size: hiddenSize, num_heads: heads } = vision;
  requireMultiple(folder, ['vision_config.hidden_size', hiddenSize], ['num_heads', heads]);
  requireQuarters(folder, hiddenSize / heads);
  requireOutput(folder, 'out_hidden_size', vision.out_hidden_size, decoder.hiddenSize);
  const deepStack = stackedLayers(vision.deepstack_visual_indexes, vision.depth);
  return {
    family: 'qwen3_vl',
    decoder: { ...decoder, visualLayers: deepStack.length },
    vision: {
      ...towerShape(vision),
      hiddenSize,
      headDim: hiddenSize / heads,
      intermediateSize: vision.intermediate_size,
      hiddenAct: requireActivation(folder, 'vision_config.hidden_act', vision.hidden_act),
      outputSize: vision.out_hidden_size,
      patchBias: true,
      positionSide: squareSide(folder, vision.num_position_embeddings),
      deepStack,
    },
    tokens,
  };
}

/** Layers as the tower comes to them, each with the merger that its place in the list names; what the tower has not is passed over. */
function stackedLayers(indexes: readonly number[], depth: number): TowerConfig['deepStack'] {
  return [...new Set(indexes)]
    .filter((layer) => layer < depth)
    .sort((a, b) => a - b)
    .map((layer) => ({ layer, merger: indexes.indexOf(layer) }));
}

function squareSide(folder: CheckpointFolder, points: number): number {
  const side = Math.round(Math.sqrt(points));
  if (side ** 2 === points) return side;
  throw new CheckpointError(
    'bad_value',
    `${folder.path(CONFIG)}: vision_config.num_position_embeddings ${points} is no square`,
  );
}
