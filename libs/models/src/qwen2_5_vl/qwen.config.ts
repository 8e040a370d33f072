import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CONFIG, positive, requireMultiple, requireOneOf } from '../config/config.file.js';
import { ropeKeys } from '../config/rope.settings.js';
import type { TextForm } from '../config/text.config.js';
import { readQwenVl } from '../qwen_vl/qwen.vl.config.js';
import type { QwenConfig, QwenVisionConfig } from './qwen.vision.config.js';

const form: TextForm = {
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
const visionSchema = z.looseObject({
  depth: positive.default(32),
  hidden_size: positive.default(3584),
  intermediate_size: positive.default(3420),
  num_heads: positive.default(16),
  in_channels: positive.optional(),
  in_chans: positive.optional(),
  patch_size: positive.default(14),
  spatial_merge_size: positive.default(2),
  temporal_patch_size: positive.default(2),
  window_size: positive.default(112),
  out_hidden_size: positive.default(3584),
  fullatt_block_indexes: z.array(z.int().min(0)).default([7, 15, 23, 31]),
  hidden_act: z.string().default('silu'),
  ...ropeKeys,
});

/** Reads config.json with the text settings under `text_config` or, as older files have them, at the root. */
export function parseQwenConfig(folder: CheckpointFolder): QwenConfig {
  const { vision, decoder, tokens } = readQwenVl(folder, form, visionSchema);
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
  if (vision.out_hidden_size !== decoderSize) {
    throw new CheckpointError(
      'bad_value',
      `${folder.path(CONFIG)}: vision_config.out_hidden_size ${vision.out_hidden_size} is not hidden_size ${decoderSize}`,
    );
  }
  const windowCells = Math.floor(Math.floor(vision.window_size / vision.spatial_merge_size) / vision.patch_size);
  if (windowCells < 1) {
    throw new CheckpointError('bad_value', `${folder.path(CONFIG)}: vision_config.window_size ${vision.window_size} holds no cell`);
  }
  return {
    layers: vision.depth,
    hiddenSize: vision.hidden_size,
    heads: vision.num_heads,
    headDim: vision.hidden_size / vision.num_heads,
    intermediateSize: vision.intermediate_size,
    channels: vision.in_channels ?? vision.in_chans ?? 3,
    patchSize: vision.patch_size,
    temporalPatchSize: vision.temporal_patch_size,
    mergeSize: vision.spatial_merge_size,
    windowCells,
    fullAttentionLayers: vision.fullatt_block_indexes,
    outputSize: vision.out_hidden_size,
    ropeTheta: (vision.rope_scaling ?? vision.rope_parameters)?.rope_theta ?? vision.rope_theta ?? 10_000,
    rmsNormEps: 1e-6,
    hiddenAct: requireOneOf(folder, 'vision_config.hidden_act', vision.hidden_act, ['silu']),
  };
}
