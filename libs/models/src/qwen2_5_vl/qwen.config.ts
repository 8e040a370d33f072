import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CONFIG, positive, requireMultiple, requireOneOf } from '../config/config.file.js';
import { ropeConfig, ropeKeys } from '../config/rope.settings.js';
import { tokenIds, tokenKeys } from '../config/token.ids.js';
import type { DecoderConfig } from '../decoder.config.js';
import type { QwenConfig, QwenVisionConfig } from './qwen.vision.config.js';

/** Keys left out of a file take the value `transformers` gives them. */
const textSchema = z.looseObject({
  hidden_size: positive.default(8192),
  intermediate_size: positive.default(29568),
  num_hidden_layers: positive.default(80),
  num_attention_heads: positive.default(64),
  num_key_value_heads: positive.nullable().default(8),
  vocab_size: positive.default(152064),
  max_position_embeddings: positive.default(32768),
  rms_norm_eps: z.number().positive().default(1e-5),
  hidden_act: z.string().default('silu'),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: z.number().nullable().default(4096),
  max_window_layers: z.int().nullable().default(80),
  layer_types: z.array(z.string()).nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  ...ropeKeys,
  ...tokenKeys,
});

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

const rootSchema = z.looseObject({
  text_config: z.record(z.string(), z.unknown()).nullish(),
  vision_config: visionSchema.nullish(),
  image_token_id: z.int().min(0).default(151655),
  tie_word_embeddings: z.boolean().nullish(),
  ...tokenKeys,
});

/** Reads config.json with the text settings under `text_config` or, as older files have them, at the root. */
export function parseQwenConfig(folder: CheckpointFolder): QwenConfig {
  const json = folder.json(CONFIG);
  const root = folder.parse(rootSchema, json, CONFIG);
  const text = root.text_config
    ? folder.parse(textSchema, root.text_config, CONFIG, ['text_config'])
    : folder.parse(textSchema, json, CONFIG);
  const decoder = decoderConfig(folder, text, root.tie_word_embeddings === true || text.tie_word_embeddings === true);
  const vision = visionConfig(folder, root.vision_config ?? visionSchema.parse({}), decoder.hiddenSize);
  const defaults = { eos_token_id: 151645, bos_token_id: 151643 };
  return {
    family: 'qwen2_5_vl',
    decoder,
    vision,
    tokens: tokenIds(folder, root.image_token_id, [root, text, defaults]),
  };
}

function decoderConfig(folder: CheckpointFolder, text: z.infer<typeof textSchema>, tied: boolean): DecoderConfig {
  const heads = text.num_attention_heads;
  const kvHeads = text.num_key_value_heads ?? heads;
  requireMultiple(folder, ['hidden_size', text.hidden_size], ['num_attention_heads', heads]);
  requireMultiple(folder, ['num_attention_heads', heads], ['num_key_value_heads', kvHeads]);
  rejectSlidingWindow(folder, text);
  const headDim = text.hidden_size / heads;
  const rope = ropeConfig(text, { theta: 1_000_000, sections: [16, 24, 24] }, folder);
  const covered = rope.sections?.reduce((sum, section) => sum + section, 0);
  if (covered !== headDim / 2) {
    throw new CheckpointError(
      'bad_value',
      `${folder.path(CONFIG)}: mrope_section covers ${String(covered)} frequencies, heads of ${headDim} have ${headDim / 2}`,
    );
  }
  return {
    hiddenSize: text.hidden_size,
    layers: text.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: text.intermediate_size,
    vocabSize: text.vocab_size,
    maxPositions: text.max_position_embeddings,
    rmsNormEps: text.rms_norm_eps,
    hiddenAct: requireOneOf(folder, 'hidden_act', text.hidden_act, ['silu']),
    rope,
    qkvBias: true,
    outputBias: false,
    mlpBias: false,
    tiedEmbeddings: tied,
  };
}

function rejectSlidingWindow(folder: CheckpointFolder, text: z.infer<typeof textSchema>): void {
  const byWindow = text.use_sliding_window === true && text.sliding_window !== null;
  const sliding = text.layer_types
    ? text.layer_types.includes('sliding_attention')
    : byWindow && (text.max_window_layers ?? 0) < text.num_hidden_layers;
  if (sliding) {
    throw new CheckpointError('unsupported_feature', `${folder.path(CONFIG)}: sliding window attention in the decoder`);
  }
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
