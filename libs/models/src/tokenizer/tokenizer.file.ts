import { z } from 'zod';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';

const TOKENIZER = 'tokenizer.json';
const CONFIG = 'tokenizer_config.json';

/** A step of a pipeline; steps may be nested under the key of their kind. */
const stepSchema = z.looseObject({ type: z.string() });

/** Not checked entry by entry: there are 150,000, and a wrong one only ever spells wrong. */
const vocabularySchema = z.custom<Record<string, number>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object of tokens and ids',
);

const fileSchema = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: z.int().min(0), content: z.string(), special: z.boolean().default(false), normalized: z.boolean().optional() }))
    .default([]),
  normalizer: stepSchema.nullish(),
  pre_tokenizer: stepSchema.nullish(),
  decoder: stepSchema.nullish(),
  model: z.looseObject({ type: z.string().nullish(), vocab: vocabularySchema }),
});

const tokenSchema = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();

const configSchema = z.looseObject({
  bos_token: tokenSchema,
  eos_token: tokenSchema,
  pad_token: tokenSchema,
  unk_token: tokenSchema,
});

export type TokenizerFile = z.infer<typeof fileSchema>;
export type TokenizerSettings = z.infer<typeof configSchema>;

/**
 * Reads tokenizer.json and, where there is one, tokenizer_config.json.
 * @throws CheckpointError `missing_file`, `bad_json`, `bad_value`
 */
export function readTokenizerFiles(folder: CheckpointFolder): { file: TokenizerFile; settings: TokenizerSettings } {
  const file = folder.parse(fileSchema, folder.json(TOKENIZER), TOKENIZER);
  const settings = folder.has(CONFIG) ? folder.parse(configSchema, folder.json(CONFIG), CONFIG) : {};
  return { file, settings };
}

/** Text of a special token, which older files wrap into an object. */
export function tokenText(token: z.infer<typeof tokenSchema>): string | undefined {
  return typeof token === 'string' ? token : token?.content;
}
