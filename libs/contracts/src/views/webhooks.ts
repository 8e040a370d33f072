import { z } from 'zod';
import { namesKnownKeys } from '../openai/schema.issues.js';
import { WebhookEventSchema, WebhookEventTypeSchema } from '../openai/webhook.event.js';

/** Webhooks of a tenant at most. */
export const MAX_WEBHOOKS = 16;
/** Longest URL of a webhook, in characters. */
const MAX_URL = 2_048;
/** How long the secret before goes on to sign, in seconds: a day, a week at most. */
const [KEEP_SECONDS, MAX_KEEP_SECONDS] = [86_400, 604_800];

const WebhookUrlSchema = z
  .string()
  .max(MAX_URL)
  .refine(isWebUrl, 'expected an https: URL without a user name or password')
  .meta({
    description: 'Where events are sent to. Which schemes, ports and addresses are reached is for the operator to say.',
  });
const EventsSchema = z
  .array(WebhookEventTypeSchema)
  .min(1)
  .max(16)
  .transform((types) => [...new Set(types)])
  .meta({ description: 'Which events are sent; all by default.' });
const DescriptionSchema = z.string().max(256);

const createWebhook = {
  url: WebhookUrlSchema,
  events: EventsSchema.optional(),
  description: DescriptionSchema.nullish(),
};
export const CreateWebhookSchema = z.strictObject(createWebhook, {
  error: namesKnownKeys(() => Object.keys(createWebhook)),
});

const updateWebhook = {
  url: WebhookUrlSchema.optional(),
  events: EventsSchema.optional(),
  description: DescriptionSchema.nullish(),
  enabled: z.boolean().optional().meta({ description: 'True after failures have disabled it.' }),
};
export const UpdateWebhookSchema = z.strictObject(updateWebhook, {
  error: namesKnownKeys(() => Object.keys(updateWebhook)),
});

const rotateWebhook = {
  keep_seconds: z.int().min(0).max(MAX_KEEP_SECONDS).default(KEEP_SECONDS).meta({
    description: 'How long the secret before signs beside the new one.',
  }),
};
export const RotateWebhookSchema = z.strictObject(rotateWebhook, {
  error: namesKnownKeys(() => Object.keys(rotateWebhook)),
});

const time = z.int().nullable();

/** A URL that a tenant wants to be told at. Times are seconds since 1970. */
export const WebhookSchema = z.object({
  id: z.string(),
  object: z.literal('webhook'),
  url: z.string(),
  events: z.array(WebhookEventTypeSchema),
  description: z.string().nullable(),
  created_at: z.int(),
  status: z.enum(['enabled', 'disabled']),
  disabled_at: time,
  disabled_reason: z.string().nullable(),
  failing_since: time.meta({ description: 'Since when nothing could be delivered.' }),
  secret_before_expires_at: time.meta({ description: 'Until when the secret before the last rotation signs as well.' }),
});

/** The only time that the secret is shown. */
export const WebhookWithSecretSchema = WebhookSchema.extend({
  secret: z.string().meta({ description: 'Signs what is sent, as Standard Webhooks has it. It is not shown again.' }),
});

export const WebhookDeletedSchema = z.object({
  id: z.string(),
  object: z.literal('webhook'),
  deleted: z.literal(true),
});

export const WebhookAttemptSchema = z.object({
  at: z.int(),
  status_code: z.int().nullable().meta({ description: 'What the receiver answered; null where it did not.' }),
  error: z.string().nullable(),
  ms: z.int(),
});

export const WebhookDeliveryStatusSchema = z.enum(['pending', 'delivered', 'failed']);

/** An event on its way to a webhook. */
export const WebhookDeliverySchema = z.object({
  id: z.string(),
  object: z.literal('webhook.delivery'),
  webhook_id: z.string(),
  event: WebhookEventSchema,
  status: WebhookDeliveryStatusSchema,
  created_at: z.int(),
  next_attempt_at: time,
  attempt_count: z.int(),
  attempts: z.array(WebhookAttemptSchema).meta({ description: 'The last ones, the latest at the end.' }),
});

export type CreateWebhook = z.output<typeof CreateWebhookSchema>;
export type UpdateWebhook = z.output<typeof UpdateWebhookSchema>;
export type RotateWebhook = z.output<typeof RotateWebhookSchema>;
export type Webhook = z.infer<typeof WebhookSchema>;
export type WebhookWithSecret = z.infer<typeof WebhookWithSecretSchema>;
export type WebhookDeleted = z.infer<typeof WebhookDeletedSchema>;
export type WebhookAttempt = z.infer<typeof WebhookAttemptSchema>;
export type WebhookDeliveryStatus = z.infer<typeof WebhookDeliveryStatusSchema>;
export type WebhookDelivery = z.infer<typeof WebhookDeliverySchema>;

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  // Plain http: is for the operator to allow.
  return ['https:', 'http:'].includes(protocol) && username === '' && password === '';
}
