import { z } from 'zod';
import { WebhookEventTypeSchema } from '../openai/webhook.event.js';
import { WebhookDeliverySchema } from '../views/webhooks.js';

/** A webhook: whose it is, where it leads, and what signs. Times are seconds since 1970. */
export const WebhookRecordSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  url: z.string(),
  events: z.array(WebhookEventTypeSchema),
  description: z.string().nullable(),
  createdAt: z.int(),
  /** The newest first; two at most. `expiresAt` is null for the newest. */
  secrets: z.array(z.object({ secret: z.string(), expiresAt: z.int().nullable() })).min(1),
  disabled: z.object({ at: z.int(), reason: z.string() }).nullable(),
  /** Time of the first failure after which nothing was delivered. */
  failingSince: z.int().nullable(),
});

/** A delivery: whose it is, and which run of attempts is the one that counts. */
export const WebhookDeliveryRecordSchema = z.object({
  tenant: z.string(),
  /** One more with each repetition, whose attempts begin anew; a job of an earlier round does nothing. */
  round: z.int(),
  /** Attempts of this round. */
  tried: z.int(),
  object: WebhookDeliverySchema,
});

export type WebhookRecord = z.infer<typeof WebhookRecordSchema>;
export type WebhookDeliveryRecord = z.infer<typeof WebhookDeliveryRecordSchema>;
