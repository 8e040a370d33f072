import { SchemaError, type SchemaPath } from './schema.error.js';
import { isObject, isSchema } from './schema.keywords.js';

/**
 * OpenAI's rules for `strict`: the whole is an object, and of every object all properties are required and no others
 * allowed. What is optional has a type of `null` beside its own.
 * @throws SchemaError for the first rule that is broken
 */
export function checkStrict(schema: unknown): void {
  if (!isObject(schema) || schema['type'] !== 'object')
    throw new SchemaError(['type'], 'expected object, as strict asks for');
  check(schema, []);
}

function check(schema: unknown, path: SchemaPath): void {
  if (!isObject(schema)) return;
  const { type, properties, required = [] } = schema;
  if ([type].flat().includes('object') || properties !== undefined) {
    if (schema['additionalProperties'] !== false) {
      throw new SchemaError([...path, 'additionalProperties'], 'expected false, as strict asks for');
    }
    const names = Object.keys(isObject(properties) ? properties : {});
    const wanted = new Set(Array.isArray(required) ? required : []);
    if (!names.every((name) => wanted.has(name))) {
      throw new SchemaError(
        [...path, 'required'],
        'expected every property, as strict asks for; an optional one may be null',
      );
    }
  }
  for (const key of ['properties', '$defs', 'definitions']) {
    const inner = schema[key];
    if (isObject(inner)) for (const [name, part] of Object.entries(inner)) check(part, [...path, key, name]);
  }
  for (const key of ['anyOf', 'allOf', 'prefixItems']) {
    const inner = schema[key];
    if (Array.isArray(inner)) {
      inner.forEach((part, i) => {
        check(part, [...path, key, String(i)]);
      });
    }
  }
  if (isSchema(schema['items'])) check(schema['items'], [...path, 'items']);
}
