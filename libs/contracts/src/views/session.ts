import { z } from 'zod';
import { TenantSchema } from '../api.keys.js';

/** Signs a browser in: by an API key, or by a link's token, which serves once. */
export const CreateSessionSchema = z.union([
  z.strictObject({ api_key: z.string().min(1).max(512) }),
  z.strictObject({ link: z.string().min(1).max(128) }),
]);

/** Who a caller is, by session or by key. */
export const SessionSchema = z.object({
  object: z.literal('session'),
  tenant: TenantSchema,
  operator: z.boolean().meta({ description: 'Whether it sees the whole system: queues, devices and workers.' }),
  expires_at: z
    .int()
    .nullable()
    .meta({ description: 'Seconds since 1970; null where the caller has no session but a key, or needs none.' }),
});

/** A link that signs in once: `/#link=TOKEN`. The part after # reaches no server and no log. */
export const SessionLinkSchema = z.object({
  object: z.literal('session.link'),
  token: z.string(),
  path: z.string().meta({ description: 'What to open on this host.' }),
  expires_at: z.int(),
});

export type CreateSession = z.infer<typeof CreateSessionSchema>;
export type SessionObject = z.infer<typeof SessionSchema>;
export type SessionLinkObject = z.infer<typeof SessionLinkSchema>;
