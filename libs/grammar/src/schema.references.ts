import { SchemaError, type SchemaPath } from './schema.error.js';
import { isSchema, type Schema } from './schema.keywords.js';

/** @param pointer a fragment (RFC 6901). @throws SchemaError where it points to nothing, or to what is no schema */
export function resolve(root: Schema, pointer: string, from: SchemaPath): { schema: Schema; path: SchemaPath } {
  // As it stands, and as a fragment of a URI: `#/$defs/Foo%3Cstring%3E`.
  for (const path of new Set([pointer, decoded(pointer)].map(keysOf))) {
    const found = at(root, path);
    if (isSchema(found)) return { schema: found, path };
  }
  throw new SchemaError(from, 'points to no schema');
}

function at(root: Schema, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inside, key) =>
      typeof inside === 'object' && inside !== null && Object.hasOwn(inside, key)
        ? (inside as Record<string, unknown>)[key]
        : undefined,
    root,
  );
}

/** RFC 6901, 6. What is not percent-encoded stays as it is. */
function decoded(pointer: string): string {
  try {
    return decodeURIComponent(pointer);
  } catch {
    return pointer;
  }
}

/**
 * What refers to itself must write something on every turn, and have a way to an end.
 * @throws SchemaError where it does not
 */
export function checkReferences(root: Schema): void {
  const found = everyPart(root);
  const parts = new Map([...found.keys()].map((schema) => [schema, partsOf(root, schema)]));
  const done = new Set<Schema>();
  const visit = (schema: Schema, open: ReadonlySet<Schema>): void => {
    if (open.has(schema)) throw new SchemaError(found.get(schema) ?? [], 'refers to itself without an end');
    if (done.has(schema)) return;
    for (const { part, holds } of parts.get(schema) ?? []) if (!holds) visit(part, new Set([...open, schema]));
    done.add(schema);
  };
  for (const schema of found.keys()) visit(schema, new Set());
  const finite = finiteParts(parts);
  for (const [schema, path] of found) {
    if (!finite.has(schema)) throw new SchemaError(path, 'no value of it comes to an end: it holds itself in any case');
  }
}

interface Part {
  readonly part: Schema;
  readonly keys: readonly string[];
  /** It stands inside of the value, after something was written. */
  readonly holds: boolean;
  /** No value is without it. */
  readonly needed: boolean;
  /** One of these is enough. */
  readonly choice: boolean;
}

/** All that can be reached from the root, with a path to each. */
function everyPart(root: Schema): ReadonlyMap<Schema, SchemaPath> {
  const found = new Map<Schema, SchemaPath>([[root, []]]);
  for (const [schema, path] of found) {
    for (const { part, keys } of partsOf(root, schema)) if (!found.has(part)) found.set(part, [...path, ...keys]);
  }
  return found;
}

/** Schemas that have a finite value, found from the innermost outwards. */
function finiteParts(parts: ReadonlyMap<Schema, readonly Part[]>): ReadonlySet<Schema> {
  const finite = new Set<Schema>();
  for (let before = -1; before < finite.size;) {
    before = finite.size;
    for (const [schema, inner] of parts) if (comesToAnEnd(schema, inner, finite)) finite.add(schema);
  }
  return finite;
}

function comesToAnEnd(schema: Schema, parts: readonly Part[], finite: ReadonlySet<Schema>): boolean {
  if (typeof schema === 'boolean') return true;
  const choices = parts.filter(({ choice }) => choice);
  const types = [schema['type'] ?? []].flat();
  if (schema['nullable'] === true || types.some((type) => type !== 'object' && type !== 'array')) return true;
  return (
    parts.every(({ part, needed }) => !needed || finite.has(part)) &&
    (choices.length === 0 || choices.some(({ part }) => finite.has(part)))
  );
}

function partsOf(root: Schema, schema: Schema): Part[] {
  if (typeof schema === 'boolean') return [];
  const { $ref, anyOf, allOf, properties, required, additionalProperties, items, prefixItems, minItems } = schema;
  const parts: Part[] = [];
  const add = (part: unknown, keys: string[], kind: Omit<Part, 'part' | 'keys'>): void => {
    if (isSchema(part)) parts.push({ part, keys, ...kind });
  };
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  if (typeof $ref === 'string') {
    add(resolve(root, $ref, []).schema, ['$ref'], { holds: false, needed: true, choice: false });
    return parts;
  }
  list(anyOf).forEach((part, i) => {
    add(part, ['anyOf', String(i)], { holds: false, needed: false, choice: true });
  });
  list(allOf).forEach((part, i) => {
    add(part, ['allOf', String(i)], { holds: false, needed: true, choice: false });
  });
  const wanted = new Set(list(required));
  for (const [name, part] of Object.entries((properties ?? {}) as Record<string, unknown>)) {
    add(part, ['properties', name], { holds: true, needed: wanted.has(name), choice: false });
  }
  add(additionalProperties, ['additionalProperties'], { holds: true, needed: false, choice: false });
  const first = list(prefixItems);
  first.forEach((part, i) => {
    add(part, ['prefixItems', String(i)], { holds: true, needed: true, choice: false });
  });
  add(items, ['items'], {
    holds: true,
    needed: typeof minItems === 'number' && minItems > first.length,
    choice: false,
  });
  return parts;
}

function keysOf(pointer: string): string[] {
  const keys = pointer.split('/').slice(1);
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}
