import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';

/** Whose something is: part of keys in Redis and of a metric's attributes. */
export const TenantSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected 1 to 64 letters, digits, or . _ -');

/** A key as the gateway knows it: never the key itself. */
export const ApiKeyRecordSchema = z.object({
  tenant: TenantSchema,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits'),
  /** For people: where the key is used. */
  name: z.string().max(256).optional(),
  /** Whether it sees the system as a whole: queues, devices, workers, usage. Never other tenants' documents and answers. */
  operator: z.boolean().optional(),
});

/** The file of keys. A tenant may have several, so that one can be replaced while the other is in use. */
export const ApiKeyFileSchema = z.array(ApiKeyRecordSchema);

export type ApiKeyRecord = z.infer<typeof ApiKeyRecordSchema>;

/**
 * A new key: 256 random bits, so that its plain SHA-256 can be stored. It is shown once and kept nowhere.
 * @returns the key for its user, and the record for the gateway
 */
export function newApiKey(
  tenant: string,
  name?: string,
  { operator = false }: { readonly operator?: boolean } = {},
): { readonly key: string; readonly record: ApiKeyRecord } {
  const key = `mk-${randomBytes(32).toString('base64url')}`;
  const record = {
    tenant,
    sha256: hashApiKey(key),
    ...(name === undefined ? {} : { name }),
    ...(operator ? { operator } : {}),
  };
  return { key, record: ApiKeyRecordSchema.parse(record) };
}

/** @returns 64 hexadecimal digits */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
