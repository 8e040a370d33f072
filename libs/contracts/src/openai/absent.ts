import type { z } from 'zod';

/**
 * A key that may be missing or null, which mean the same: clients of typed languages send null for what they do not set.
 * What is parsed has no null.
 */
export const optional = <T extends z.ZodType>(schema: T) =>
  schema
    .nullable()
    .transform((value) => value ?? undefined)
    .optional();

/** The keys that have a value: what was parsed of the others is undefined. */
export function givenKeys<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, given]) => given !== undefined)) as T;
}
