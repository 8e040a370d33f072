import { z } from 'zod';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CONFIG } from '../config/config.file.js';
import { decoderConfig, textSchema, type TextForm } from '../config/text.config.js';
import { tokenIds, tokenKeys } from '../config/token.ids.js';
import type { DecoderConfig } from '../decoder.config.js';
import type { ModelConfig, TokenIds } from '../family.js';

const rootSchema = z.looseObject({
  text_config: textSchema.nullish(),
  vision_config: z.record(z.string(), z.unknown()).nullish(),
  image_token_id: z.int().min(0).default(151655),
  tie_word_embeddings: z.boolean().nullish(),
  ...tokenKeys,
});

/** How an image is cut: squares of patches become one visual token each. */
export interface PatchShape {
  /** Pixels along one side of a patch. */
  readonly patchSize: number;
  /** A still image is repeated this many times along time. */
  readonly temporalPatchSize: number;
  /** Patches along one side of the square that the merger turns into one visual token. */
  readonly mergeSize: number;
}

/** What all of Qwen's models with vision have in their config.json. */
export interface QwenVlConfig<Vision> {
  readonly decoder: DecoderConfig;
  /** `vision_config`, with defaults. */
  readonly vision: Vision;
  readonly tokens: TokenIds;
}

export type QwenVlModelConfig<Vision extends PatchShape = PatchShape> = ModelConfig<Vision>;

/**
 * Reads config.json with the text settings under `text_config` or, as older files have them, at the root.
 * @throws CheckpointError naming the key that is wrong
 */
export function readQwenVl<Vision>(
  folder: CheckpointFolder,
  form: TextForm,
  visionSchema: z.ZodType<Vision>,
): QwenVlConfig<Vision> {
  const json = folder.json(CONFIG);
  const root = folder.parse(rootSchema, json, CONFIG);
  const nested = root.text_config != null;
  const text = root.text_config ?? folder.parse(textSchema, json, CONFIG);
  const prefix = nested ? 'text_config.' : '';
  const decoder = decoderConfig(folder, text, form, { prefix, tied: root.tie_word_embeddings === true });
  const defaults = { eos_token_id: 151645, bos_token_id: 151643 };
  return {
    decoder,
    vision: folder.parse(visionSchema, root.vision_config ?? {}, CONFIG, ['vision_config']),
    tokens: tokenIds(folder, root.image_token_id, [root, text, defaults]),
  };
}
