import { STRING_FORMATS } from './string.formats.js';

/** A part of a JSON schema. */
export type Schema = boolean | Readonly<Record<string, unknown>>;

export const JSON_TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
export type JsonType = (typeof JSON_TYPES)[number];

/** A keyword that is honoured. */
export interface Keyword {
  readonly accepts: (value: unknown) => boolean;
  /** What may stand there, in words. */
  readonly expected: string;
  /** Whose values it is about. Absent: those of all types. */
  readonly of?: readonly JsonType[];
  /** What of it is not obvious, for the documentation. */
  readonly note?: string;
  /** It says nothing about which values are valid. */
  readonly annotation?: true;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'boolean' || isObject(value);
}

const isList =
  (accepts: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.length > 0 && value.every(accepts);
const isOneOf =
  (known: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'string' && known.includes(value);
const isText = (value: unknown): boolean => typeof value === 'string';
const isFlag = (value: unknown): boolean => typeof value === 'boolean';
const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0;
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isSchemas = (value: unknown): boolean => isObject(value) && Object.values(value).every(isSchema);

const COUNT = { accepts: isCount, expected: 'a whole number of at least 0' };
const LIMIT = {
  accepts: isNumber,
  expected: 'a number',
  of: ['number', 'integer'],
  note: 'Of a `number` a whole one; it is then written without an exponent, with up to 9 digits before and 6 after the point',
} as const;
const SCHEMA = { accepts: isSchema, expected: 'a schema' };
const DEFINITIONS = { accepts: isSchemas, expected: 'an object of schemas' };
const ANNOTATION = { accepts: () => true, expected: 'anything', annotation: true } as const;
const formats = Object.keys(STRING_FORMATS);

/** Every keyword that may stand in a schema. */
export const KEYWORDS = {
  type: {
    accepts: (value) => isOneOf(JSON_TYPES)(value) || isList(isOneOf(JSON_TYPES))(value),
    expected: `one of ${JSON_TYPES.join(', ')}, or a list of them`,
    note: 'Without it: the types that the other keywords are about, or any',
  },
  nullable: { accepts: isFlag, expected: 'true or false', note: 'null as well (OpenAPI 3.0)' },
  enum: {
    accepts: (value) => Array.isArray(value) && value.length > 0,
    expected: 'a list of values',
    note: 'Beside it only `type` and annotations',
  },
  const: { accepts: () => true, expected: 'a value', note: 'Beside it only `type` and annotations' },
  anyOf: { accepts: isList(isSchema), expected: 'a list of schemas', note: 'Beside it only annotations' },
  allOf: {
    accepts: (value) => Array.isArray(value) && value.length === 1 && isSchema(value[0]),
    expected: 'a list of one schema: more are not supported',
    note: 'Of one schema; beside it only annotations',
  },
  $ref: {
    accepts: (value) => typeof value === 'string' && /^#(?:\/|$)/.test(value),
    expected: 'a reference within the schema, such as #/$defs/name',
    note: 'Within the schema, also to itself; beside it only annotations',
  },
  $defs: DEFINITIONS,
  definitions: DEFINITIONS,
  properties: { ...DEFINITIONS, of: ['object'], note: 'Written in the order in which they stand' },
  required: {
    accepts: (value) => Array.isArray(value) && value.every(isText),
    expected: 'a list of names',
    of: ['object'],
    note: 'Of names that `properties` has',
  },
  additionalProperties: {
    ...SCHEMA,
    of: ['object'],
    note: 'Where it is absent and there are `properties`, no others are written',
  },
  items: { ...SCHEMA, of: ['array'] },
  prefixItems: {
    accepts: isList(isSchema),
    expected: 'a list of schemas',
    of: ['array'],
    note: 'All of them are written, and more only where `items` says of what kind',
  },
  minItems: { ...COUNT, of: ['array'], note: 'Up to 10,000' },
  maxItems: { ...COUNT, of: ['array'], note: 'More than 10,000 count as 10,000' },
  minLength: { ...COUNT, of: ['string'], note: 'Up to 10,000; not beside `pattern` or `format`' },
  maxLength: { ...COUNT, of: ['string'], note: 'More than 10,000 count as 10,000; not beside `pattern` or `format`' },
  pattern: {
    accepts: isText,
    expected: 'a text',
    of: ['string'],
    note: 'Matches the whole string, anchored or not. No lookaround, `\\b`, references or `\\p`. Beside `format` both hold. `\\S`, `[^\\s]` and classes that leave out single letters beyond ASCII write ASCII alone',
  },
  format: {
    accepts: isOneOf(formats),
    expected: `one of ${formats.join(', ')}`,
    of: ['string'],
    note: formats.map((name) => `\`${name}\``).join(', '),
  },
  minimum: LIMIT,
  maximum: LIMIT,
  exclusiveMinimum: LIMIT,
  exclusiveMaximum: LIMIT,
  title: ANNOTATION,
  description: ANNOTATION,
  default: ANNOTATION,
  examples: ANNOTATION,
  deprecated: ANNOTATION,
  readOnly: ANNOTATION,
  writeOnly: ANNOTATION,
  $schema: ANNOTATION,
  $comment: ANNOTATION,
} as const satisfies Readonly<Record<string, Keyword>>;

export type KeywordName = keyof typeof KEYWORDS;
