import { z } from 'zod';
import { chatMessageSchema } from '@madakv/models';

const tokens = z.int().min(1);

/** What this project adds to an OpenAI request. Unlike around it, an unknown key in here is a mistake. */
const madakvSchema = z.strictObject({
  /** Share of the prompt's cache that may be kept. */
  cache_ratio: z.number().gt(0).max(1).optional(),
  /** Name of an eviction policy. */
  policy: z.string().optional(),
  /** Options of that policy; it checks them itself. */
  options: z.record(z.string(), z.unknown()).optional(),
});

/**
 * The body of an OpenAI chat completion, as far as it is understood here; other keys are ignored, as OpenAI does. Null
 * counts as left out. `top_k` and `repetition_penalty` are vLLM's additions.
 */
export const chatRequestSchema = z.object({
  model: z.string().nullish(),
  messages: z.array(chatMessageSchema).min(1),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  /** 0 and -1 both mean all. */
  top_k: z.int().min(-1).nullish(),
  seed: z.int().nullish(),
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  max_tokens: tokens.nullish(),
  max_completion_tokens: tokens.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  n: z.literal(1).nullish(),
  madakv: madakvSchema.nullish(),
});

export type ChatRequest = z.infer<typeof chatRequestSchema>;
