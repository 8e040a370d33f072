import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CONFIG, positive, requireMultiple, requireOneOf } from '../config/config.file.js';
import type { TextForm } from '../config/text.config.js';
import { readQwenVl } from '../qwen_vl/qwen.vl.config.js';
import { requireOutput, requireQuarters, towerSchema, towerShape } from '../qwen_vl/tower.config.js';
import type { QwenConfig, QwenVisionConfig } from './qwen.vision.config.js';

/** The decoder of Qwen2-VL and Qwen2.5-VL. */
export const qwenForm: TextForm = {
  defaults: {
    hiddenSize: 8192,
    intermediateSize: 29_568,
    layers: 80,
    heads: 64,
    kvHeads: 8,
    vocabSize: 152_064,
    maxPositions: 32_768,
    rmsNormEps: 1e-5,
  },
  rope: { theta: 1_000_000, sections: [16, 24, 24] },
  biases: 'qkv',
  qkNorm: false,
  slidingWindow: 'switched',
};

/** Keys left out of a file take the value `transformers` gives them. */
const visionSchema = towerSchema.extend({
  hidden_size: positive.default(3584),
  intermediate_size: positive.default(3420),
  window_size: positive.default(112),
  out_hidden_size: positive.default(3584),
  fullatt_block_indexes: z.array(z.int().min(0)).default([7, 15, 23, 31]),
  hidden_act: z.string().default('silu'),
});

/** Reads config.json with the text settings under `text_config` or, as older files have them, at the root. */
export function parseQwenConfig(folder: CheckpointFolder): QwenConfig {
  const { vision, decoder, tokens } = readQwenVl(folder, qwenForm, visionSchema);
  return {
    family: 'qwen2_5_vl',
    decoder,
    vision: visionConfig(folder, vision, decoder.hiddenSize),
    tokens,
  };
}

function visionConfig(
  folder: CheckpointFolder,
  vision: z.infer<typeof visionSchema>,
  decoderSize: number,
): QwenVisionConfig {
  requireMultiple(folder, ['vision_config.hidden_size', vision.hidden_size], ['num_heads', vision.num_heads]);
  requireQuarters(folder, vision.hidden_size / vision.num_heads);
  requireOutput(folder, 'out_hidden_size', vision.out_hidden_size, decoderSize);
  const windowCells = Math.floor(Math.floor(vision.window_size / vision.spatial_merge_size) / vision.patch_size);
  if (windowCells < 1) {
    throw new CheckpointError('bad_value', `${folder.path(CONFIG)}: vision_config.window_size ${vision.window_size} holds no cell`);
  }
  return {
    ...towerShape(vision),
    hiddenSize: vision.hidden_size,
    headDim: vision.hidden_size / vision.num_heads,
    intermediateSize: vision.intermediate_size,
    windowCells,
    fullAttentionLayers: vision.fullatt_block_indexes,
    outputSize: vision.out_hidden_size,
    rmsNormEps: 1e-6,
    hiddenAct: requireOneOf(folder, 'vision_config.hidden_act', vision.hidden_act, ['silu']),
  };
}
