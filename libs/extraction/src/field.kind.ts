import { SchemaError } from '@madakv/grammar';
import {
  EXTRACTION_LIMITS,
  type ChoiceKind,
  type NumberKind,
  type ScalarKind,
  TEXT_FORMATS,
  type TextFormat,
  type TextKind,
} from './extraction.plan.js';
import type { SchemaPart } from './schema.part.js';

/** What a part of a schema describes. `constant` needs no question. */
export type PartType = 'object' | 'array' | 'scalar' | 'constant';

const KEYWORDS_OF = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  string: ['format', 'pattern', 'minLength', 'maxLength'],
} as const;

const NUMBER_KEYWORDS = KEYWORDS_OF.number;

export function typeOf(part: SchemaPart): PartType {
  const { keys } = part;
  if ('const' in keys || jsonTypeOf(part) === 'null') return 'constant';
  if ('enum' in keys) return 'scalar';
  const type = jsonTypeOf(part);
  return type === 'object' || type === 'array' ? type : 'scalar';
}

/**
 * What an answer has to be.
 * @param what how the message calls it: a field, an entry of a list, a column of a table
 * @throws SchemaError for an object or a list
 */
export function scalarKind(part: SchemaPart, what: string): ScalarKind {
  const { keys, path } = part;
  if ('const' in keys) return choice([keys['const']], part);
  if (Array.isArray(keys['enum'])) return choice(keys['enum'], part);
  const type = jsonTypeOf(part);
  switch (type) {
    case 'boolean':
      return { kind: 'boolean' };
    case 'number':
    case 'integer':
      return { kind: type, ...pick<NumberKind>(part, NUMBER_KEYWORDS) };
    case 'string':
      return { kind: 'text', ...formatOf(part), ...pick<TextKind>(part, ['pattern', 'minLength', 'maxLength']) };
    default:
      throw new SchemaError([...path, 'type'], `${what} is a text, a number, a date, yes or no, or one of an enum`);
  }
}

/** The one JSON type that a value has. */
function jsonTypeOf({ keys, path }: SchemaPart): string {
  const types = [keys['type'] ?? impliedTypes(keys)].flat() as string[];
  const [first] = types;
  if (types.length === 1) return first;
  if (types.length === 0) return 'string';
  if (types.every((type) => type === 'number' || type === 'integer')) return 'number';
  const names = types.join(', ');
  throw new SchemaError([...path, 'type'], `allows ${names}; a field has one type, and null beside it`);
}

/** Without `type`: what the other keywords are about. */
function impliedTypes(keys: SchemaPart['keys']): string[] {
  return Object.entries(KEYWORDS_OF).flatMap(([type, about]) => (about.some((key) => key in keys) ? [type] : []));
}

function choice(all: readonly unknown[], { keys, path }: SchemaPart): ChoiceKind {
  const types = 'type' in keys ? [keys['type']].flat() : undefined;
  const values = [
    ...new Set(all.filter((value) => types === undefined || types.some((type) => isOfType(value, type)))),
  ];
  if (values.some((value) => typeof value === 'object')) {
    throw new SchemaError([...path, 'enum'], 'has an object or a list; a field chooses from texts and numbers');
  }
  const { choices } = EXTRACTION_LIMITS;
  if (values.length > choices) {
    throw new SchemaError([...path, 'enum'], `has ${values.length} values; a field chooses from at most ${choices}`);
  }
  return { kind: 'choice', values };
}

function isOfType(value: unknown, type: unknown): boolean {
  return type === 'integer' ? Number.isInteger(value) : typeof value === type;
}

function formatOf({ keys }: SchemaPart): { readonly format?: TextFormat } {
  const format = TEXT_FORMATS.find((known) => known === keys['format']);
  return format === undefined ? {} : { format };
}

/** The keywords that are there; `answerGrammar` has looked at their values. */
function pick<Kind extends ScalarKind>({ keys }: SchemaPart, names: readonly string[]): Partial<Omit<Kind, 'kind'>> {
  return Object.fromEntries(names.flatMap((name) => (keys[name] === undefined ? [] : [[name, keys[name]]]))) as Partial<
    Omit<Kind, 'kind'>
  >;
}
