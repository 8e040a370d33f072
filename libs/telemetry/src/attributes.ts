import type { Attributes } from '@opentelemetry/api';
import { ATTRIBUTES, type AttributeId } from '@madakv/contracts';

export type AttributeValue = string | number | boolean | readonly string[];
/** By the keys of ATTRIBUTES; what is undefined or null is left out. */
export type SpanAttributes = Readonly<Partial<Record<AttributeId, AttributeValue | null | undefined>>>;

export function named(attributes: SpanAttributes): Attributes {
  const entries = Object.entries(attributes) as [AttributeId, AttributeValue | null | undefined][];
  const given = entries.filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(given.map(([id, value]) => [ATTRIBUTES[id], value])) as Attributes;
}
