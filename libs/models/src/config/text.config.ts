import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { DecoderConfig } from '../decoder.config.js';
import { CONFIG, positive, requireMultiple, requireOneOf } from './config.file.js';
import { ropeConfig, ropeKeys, type RopeDefaults } from './rope.settings.js';
import { tokenKeys } from './token.ids.js';

/** The keys of a config.json that describe a decoder, whichever family it is of. What they leave out a {@link TextForm} says. */
export const textSchema = z.looseObject({
  model_type: z.string().optional(),
  hidden_size: positive.optional(),
  intermediate_size: positive.optional(),
  num_hidden_layers: positive.optional(),
  num_attention_heads: positive.optional(),
  num_key_value_heads: positive.nullish(),
  head_dim: positive.nullish(),
  vocab_size: positive.optional(),
  max_position_embeddings: positive.optional(),
  rms_norm_eps: z.number().positive().optional(),
  hidden_act: z.string().optional(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: z.number().nullish(),
  max_window_layers: z.int().nullish(),
  layer_types: z.array(z.string()).nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  ...ropeKeys,
  ...tokenKeys,
});

export type TextKeys = z.infer<typeof textSchema>;

/** What a family's decoder is where its config.json does not say: a form that a new family fills in. */
export interface TextForm {
  /** Of keys that a file leaves out: what `transformers` gives them. */
  readonly defaults: {
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    readonly layers: number;
    readonly heads: number;
    /** Absent where it is as many as heads. */
    readonly kvHeads?: number;
    /** Absent where it is what divides the hidden size by the heads. */
    readonly headDim?: number;
    readonly vocabSize: number;
    readonly maxPositions: number;
    readonly rmsNormEps: number;
  };
  readonly rope: RopeDefaults;
  /** `qkv`: queries, keys and values always have one, nothing else. `settings`: `attention_bias` and `mlp_bias` say it. `none`: nothing has one. */
  readonly biases: 'none' | 'qkv' | 'settings';
  /** Whether queries and keys are normed, head by head, before they are turned. */
  readonly qkNorm: boolean;
  /**
   * Which layers the sliding window of config.json is for. `switched`: those behind `max_window_layers`, if `use_sliding_window` is
   * set. `all`: every one. `none`: the family has no such key.
   */
  readonly slidingWindow: 'none' | 'switched' | 'all';
}

/**
 * The decoder that a config.json describes.
 * @param prefix where the keys stand: `text_config.`, or nothing at the root
 * @param tied whether the root says `tie_word_embeddings`
 * @throws CheckpointError naming the key that is wrong or asks for what there is not
 */
export function decoderConfig(
  folder: CheckpointFolder,
  text: TextKeys,
  form: TextForm,
  { prefix = '', tied }: { readonly prefix?: string; readonly tied: boolean },
): DecoderConfig {
  const { defaults } = form;
  const hiddenSize = text.hidden_size ?? defaults.hiddenSize;
  const heads = text.num_attention_heads ?? defaults.heads;
  const kvHeads = (text.num_key_value_heads === undefined ? defaults.kvHeads : text.num_key_value_heads) ?? heads;
  const headDim = text.head_dim === undefined ? defaults.headDim : text.head_dim;
  const maxPositions = text.max_position_embeddings ?? defaults.maxPositions;
  requireMultiple(folder, [`${prefix}num_attention_heads`, heads], ['num_key_value_heads', kvHeads]);
  if (headDim == null) {
    requireMultiple(folder, [`${prefix}hidden_size`, hiddenSize], ['num_attention_heads', heads]);
  }
  const layers = text.num_hidden_layers ?? defaults.layers;
  const rope = ropeConfig({ ...text, max_position_embeddings: maxPositions }, form.rope, folder);
  const longest = stretched(rope.scaling, maxPositions);
  rejectSlidingWindow(folder, text, form, { layers, maxPositions: longest, prefix });
  const dim = headDim ?? hiddenSize / heads;
  requireWholePairs(folder, prefix, dim);
  requireCovered(folder, rope.sections, dim);
  const bySettings = form.biases === 'settings';
  return {
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim: dim,
    intermediateSize: text.intermediate_size ?? defaults.intermediateSize,
    vocabSize: text.vocab_size ?? defaults.vocabSize,
    maxPositions: longest,
    rmsNormEps: text.rms_norm_eps ?? defaults.rmsNormEps,
    hiddenAct: requireOneOf(folder, `${prefix}hidden_act`, text.hidden_act ?? 'silu', ['silu']),
    rope,
    qkvBias: form.biases === 'qkv' || (bySettings && text.attention_bias === true),
    outputBias: bySettings && text.attention_bias === true,
    mlpBias: bySettings && text.mlp_bias === true,
    qkNorm: form.qkNorm,
    tiedEmbeddings: tied || text.tie_word_embeddings === true,
  };
}

/** YaRN is set to reach further than what the model was trained on, which is what `max_position_embeddings` may still say. */
function stretched(scaling: DecoderConfig['rope']['scaling'], maxPositions: number): number {
  if (scaling.kind !== 'yarn') return maxPositions;
  return Math.max(maxPositions, Math.floor(scaling.factor * scaling.originalPositions));
}

function requireWholePairs(folder: CheckpointFolder, prefix: string, headDim: number): void {
  if (headDim % 2 === 0) return;
  throw new CheckpointError(
    'bad_value',
    `${folder.path(CONFIG)}: ${prefix}head_dim ${headDim} is odd; rotary positions turn pairs`,
  );
}

function requireCovered(folder: CheckpointFolder, sections: readonly number[] | undefined, headDim: number): void {
  const covered = sections?.reduce((sum, section) => sum + section, 0) ?? headDim / 2;
  if (covered === headDim / 2) return;
  throw new CheckpointError(
    'bad_value',
    `${folder.path(CONFIG)}: mrope_section covers ${covered} frequencies, heads of ${headDim} have ${headDim / 2}`,
  );
}

/** What `transformers` gives every family that has the key. */
const DEFAULT_WINDOW = 4096;

/** A window that is as long as the longest prompt cuts nothing off. */
function rejectSlidingWindow(
  folder: CheckpointFolder,
  text: TextKeys,
  { slidingWindow }: TextForm,
  { layers, maxPositions, prefix }: { readonly layers: number; readonly maxPositions: number; readonly prefix: string },
): void {
  if (slidingWindow === 'none') return;
  const { max_window_layers: full, layer_types: types } = text;
  const window = text.sliding_window === undefined ? DEFAULT_WINDOW : text.sliding_window;
  if (window !== null && window >= maxPositions) return;
  const switched = slidingWindow === 'switched';
  const on = window !== null && (!switched || text.use_sliding_window === true);
  const [key, slides] = types
    ? ['layer_types', types.includes('sliding_attention')]
    : [switched ? 'use_sliding_window' : 'sliding_window', on && (switched ? (full ?? 0) : 0) < layers];
  if (slides) {
    throw new CheckpointError(
      'unsupported_feature',
      `${folder.path(CONFIG)}: ${prefix}${key} asks for sliding window attention, which is not supported`,
    );
  }
}
