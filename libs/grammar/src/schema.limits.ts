import type { Schema } from './schema.keywords.js';
import { SchemaError } from './schema.error.js';

/** What a schema may have, so that its grammar is compiled in a moment. */
export const SCHEMA_LIMITS = {
  /** Bytes of it as JSON without white space. */
  bytes: 65_536,
  /** Levels of objects and lists. */
  depth: 64,
  /** Properties of one object. */
  properties: 256,
  /** Values of one `enum`. */
  enumValues: 1_000,
  /** What `minItems` and `minLength` may ask for, and beyond which the others are no limits any more. */
  repetitions: 10_000,
  /**
   * Places in its patterns, bounded strings and names of further properties where many letters may come next: each is held against the whole
   * vocabulary when the grammar is compiled, which takes some milliseconds.
   */
  openPlaces: 128,
  /** Steps that it takes to make automata of its patterns and limits of numbers: some tenths of a second. */
  steps: 2_000_000,
  /** Bytes of the grammar that it becomes. */
  grammarBytes: 524_288,
} as const;

/** @throws SchemaError for a schema that is too large or too deep to look at */
export function checkSize(schema: Schema): void {
  const path = deepest(schema, SCHEMA_LIMITS.depth);
  if (path !== undefined) throw new SchemaError([], `is nested deeper than ${SCHEMA_LIMITS.depth} levels`);
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > SCHEMA_LIMITS.bytes)
    throw new SchemaError([], `has ${bytes} bytes; at most ${SCHEMA_LIMITS.bytes} are allowed`);
}

/** Something that lies deeper than `levels`. */
function deepest(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return value;
  for (const inner of Object.values(value)) {
    const found = deepest(inner, levels - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
