import { z } from 'zod';

export const ModelObjectSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  madakv: z
    .object({
      family: z.string(),
      max_positions: z.int().meta({ description: 'Tokens that prompt and answer may have together.' }),
      kv_bytes_per_token: z.int().meta({ description: 'Of the whole cache, over all layers, before eviction.' }),
      kv_precision: z
        .enum(['fp32', 'fp16'])
        .meta({ description: 'In which these bytes are counted: what a worker that answers last said.' }),
      seen_at_ms: z.int().meta({ description: 'When a worker last announced it, in milliseconds since 1970.' }),
    })
    .optional()
    .meta({ description: 'What OpenAI does not say of a model.' }),
});
export type ModelObject = z.infer<typeof ModelObjectSchema>;
