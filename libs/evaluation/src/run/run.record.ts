import { z } from 'zod';
import { scorerNames } from '../scoring/scorers.js';
import { splits } from '../split.js';

/** Raised when the meaning of a file's figures changes: older runs are not continued. */
export const FORMAT = 1;

const variantSchema = z.object({
  name: z.string(),
  policy: z.string(),
  options: z.record(z.string(), z.unknown()),
  ratios: z.array(z.number()),
});

/** What decides the figures of a run. A run continues only where all of this is the same. */
const settingsSchema = z.object({
  format: z.literal(FORMAT),
  suite: z.string(),
  /** SHA-256 of config and weights. */
  model: z.string(),
  data: z.array(z.object({ file: z.string(), sha256: z.string() })),
  sets: z.record(
    z.string(),
    z.object({ questions: z.number(), scorer: z.enum(scorerNames as [(typeof scorerNames)[number]]) }),
  ),
  split: z.enum(splits),
  limit: z.number().nullable(),
  maxTokens: z.number().nullable(),
  protocol: z.enum(['replay', 'plain']),
  prefill: z.enum(['shared', 'separate']),
  /** Of the bootstrap, and of policies that draw rows at random. */
  seed: z.number(),
  quant: z.string(),
  blockSize: z.string(),
  kvCache: z.string(),
  provider: z.string(),
  variants: z.array(variantSchema),
});

/** What is told about a run besides. */
const aboutSchema = z.object({
  modelDir: z.string(),
  dataPath: z.string(),
  command: z.string(),
  startedAt: z.string(),
  versions: z.record(z.string(), z.string()),
  processor: z.string(),
  layers: z.number(),
  heads: z.number(),
});

export const runSchema = z.object({ settings: settingsSchema, about: aboutSchema });

export type RunSettings = z.infer<typeof settingsSchema>;
export type RunAbout = z.infer<typeof aboutSchema>;
export type RunRecord = z.infer<typeof runSchema>;

/** One answer: a line of results.jsonl. */
export const resultSchema = z.object({
  set: z.string(),
  id: z.string(),
  /** Key of the document the question is about. */
  document: z.string(),
  policy: z.string(),
  ratio: z.number(),
  expected: z.string(),
  /** Null where the policy refused the ratio; that counts as wrong. */
  answer: z.string().nullable(),
  correct: z.boolean(),
  score: z.number(),
  finish: z.enum(['stop', 'length', 'refused']),
  promptTokens: z.number(),
  keptBytes: z.number(),
  fullBytes: z.number(),
  ms: z.number(),
  /** `[layers]` rows a head. */
  rows: z.array(z.number()),
  /** `[layers][heads]` share of the attention that went to text. */
  text: z.array(z.array(z.number())),
});

export type ResultRecord = z.infer<typeof resultSchema>;
