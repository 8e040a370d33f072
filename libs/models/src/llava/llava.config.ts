import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { requireActivation } from '../config/activations.js';
import { CONFIG, positive, requireMultiple, requireOneOf } from '../config/config.file.js';
import { decoderConfig, textSchema, type TextForm } from '../config/text.config.js';
import { tokenIds, tokenKeys } from '../config/token.ids.js';
import { llamaForm } from '../llama/llama.family.js';
import { mistralForm } from '../mistral/mistral.family.js';
import { qwen2Form } from '../qwen2/qwen2.family.js';
import type { ClipVisionConfig, LlavaConfig } from './llava.vision.config.js';

const visionSchema = z.looseObject({
  model_type: z.string().default('clip_vision_model'),
  hidden_size: positive.default(768),
  intermediate_size: positive.default(3072),
  num_hidden_layers: positive.default(12),
  num_attention_heads: positive.default(12),
  num_channels: positive.default(3),
  image_size: positive.default(224),
  patch_size: positive.default(32),
  hidden_act: z.string().default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
});

/** The tower a LLaVA config without `vision_config` means: CLIP ViT-L/14 at 336 pixels. */
const defaultTower = {
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  image_size: 336,
  patch_size: 14,
};

export const llavaSchema = z.looseObject({
  text_config: textSchema.nullish(),
  vision_config: visionSchema.nullish(),
  image_token_index: z.int().min(0).optional(),
  image_token_id: z.int().min(0).optional(),
  projector_hidden_act: z.string().default('gelu'),
  vision_feature_select_strategy: z.string().default('default'),
  vision_feature_layer: z.union([z.int(), z.array(z.int()).min(1)]).default(-2),
  multimodal_projector_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().nullish(),
  ...tokenKeys,
});

/**
 * Decoders that a LLaVA model may have, by `model_type`. Published LLaVA files leave most of their keys out; they take the value
 * `transformers` gives them.
 */
const textForms: Readonly<Record<string, TextForm>> = { llama: llamaForm, mistral: mistralForm, qwen2: qwen2Form };

/** @throws CheckpointError naming the key that is wrong or asks for what there is not */
export function parseLlavaConfig(folder: CheckpointFolder): LlavaConfig {
  return llavaConfig(folder, 'llava', folder.parse(llavaSchema, folder.json(CONFIG), CONFIG));
}

/** What the LLaVA families have in common. */
export function llavaConfig(folder: CheckpointFolder, family: string, root: z.infer<typeof llavaSchema>): LlavaConfig {
  const text = root.text_config ?? textSchema.parse({});
  const kind = requireOneOf(folder, 'text_config.model_type', text.model_type ?? 'llama', Object.keys(textForms));
  const tied = root.tie_word_embeddings === true;
  const decoder = decoderConfig(folder, text, textForms[kind], { prefix: 'text_config.', tied });
  const image = root.image_token_index ?? root.image_token_id ?? 32000;
  const defaults = { eos_token_id: 2, bos_token_id: 1 };
  return {
    family,
    decoder,
    vision: visionConfig(folder, root),
    tokens: tokenIds(folder, image, [root, text, defaults]),
  };
}

function visionConfig(folder: CheckpointFolder, root: z.infer<typeof llavaSchema>): ClipVisionConfig {
  const vision = root.vision_config ?? visionSchema.parse(defaultTower);
  requireOneOf(folder, 'vision_config.model_type', vision.model_type, ['clip_vision_model']);
  requireMultiple(folder, ['vision_config.hidden_size', vision.hidden_size], ['num_attention_heads', vision.num_attention_heads]);
  const layers = vision.num_hidden_layers;
  const featureLayers = [root.vision_feature_layer].flat().map((layer) => {
    const resolved = layer < 0 ? layers + 1 + layer : layer;
    if (resolved < 0 || resolved > layers) {
      throw new CheckpointError(
        'bad_value',
        `${folder.path(CONFIG)}: vision_feature_layer ${layer} of a tower with ${layers} layers`,
      );
    }
    return resolved;
  });
  return {
    layers,
    hiddenSize: vision.hidden_size,
    heads: vision.num_attention_heads,
    headDim: vision.hidden_size / vision.num_attention_heads,
    intermediateSize: vision.intermediate_size,
    channels: vision.num_channels,
    imageSize: vision.image_size,
    patchSize: vision.patch_size,
    layerNormEps: vision.layer_norm_eps,
    hiddenAct: requireOneOf(folder, 'vision_config.hidden_act', vision.hidden_act, ['quick_gelu', 'gelu']),
    featureLayers,
    keepClassToken:
      requireOneOf(folder, 'vision_feature_select_strategy', root.vision_feature_select_strategy, ['default', 'full']) ===
      'full',
    projectorAct: requireActivation(folder, 'projector_hidden_act', root.projector_hidden_act),
    projectorBias: root.multimodal_projector_bias,
  };
}
