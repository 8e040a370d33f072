import { z } from 'zod';

/** What is told of: how a batch ended. Names are OpenAI's. */
export const WebhookEventTypeSchema = z.enum(['batch.completed', 'batch.failed', 'batch.cancelled', 'batch.expired']);

/** What is sent to a webhook, as OpenAI sends it. `created_at` is in seconds since 1970. */
export const WebhookEventSchema = z.object({
  id: z.string(),
  object: z.literal('event'),
  created_at: z.int(),
  type: WebhookEventTypeSchema,
  data: z.object({ id: z.string().meta({ description: 'Id of the batch.' }) }),
});

export type WebhookEventType = z.infer<typeof WebhookEventTypeSchema>;
export type WebhookEvent = z.infer<typeof WebhookEventSchema>;
