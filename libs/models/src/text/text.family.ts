import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CONFIG } from '../config/config.file.js';
import { decoderConfig, textSchema, type TextForm } from '../config/text.config.js';
import { tokenIds, type TokenKeys } from '../config/token.ids.js';
import { decoderTensors } from '../decoder.tensors.js';
import type { ModelConfig, ModelFamily } from '../family.js';
import { sequentialPositions } from './sequential.positions.js';

/** A model that reads text alone has no vision to configure. */
export type TextModelConfig = ModelConfig<undefined>;

/**
 * A family of decoders without a vision tower: its config.json describes the decoder and nothing else.
 * @param tokens special tokens that a config.json without them means
 */
export function textFamily(modelType: string, form: TextForm, tokens: TokenKeys = {}): ModelFamily<TextModelConfig> {
  return {
    modelType,
    parseConfig: (folder) => parseTextConfig(folder, modelType, form, tokens),
    tensorName: textTensorName,
    tensors: ({ decoder }) => decoderTensors(decoder),
    positions: sequentialPositions,
  };
}

function parseTextConfig(
  folder: CheckpointFolder,
  family: string,
  form: TextForm,
  defaults: TokenKeys,
): TextModelConfig {
  const text = folder.parse(textSchema, folder.json(CONFIG), CONFIG);
  return {
    family,
    decoder: decoderConfig(folder, text, form, { tied: text.tie_word_embeddings === true }),
    vision: undefined,
    tokens: tokenIds(folder, undefined, [text, defaults]),
  };
}

/** Also without the prefix, as files of the model without its head have them. */
export function textTensorName(name: string): string | undefined {
  if (name.endsWith('.inv_freq')) return undefined;
  if (name.startsWith('lm_head.')) return name;
  const decoder = /^(?:model\.)?(?=embed_tokens\.|layers\.|norm\.)/;
  return decoder.test(name) ? name.replace(decoder, 'decoder.') : undefined;
}
