import { constantText, JsonText } from './json.text.grammar.js';
import { GrammarText, oneOf, quoted, type Expression } from './grammar.text.js';
import { oneOfTexts } from './constants.grammar.js';
import { regularExpression } from './regular.grammar.js';
import type { Regular } from './regular.js';
import { integerWithin, LIMITED_DIGITS, numberWithin, type NumberLimits } from './number.range.js';
import { objectExpression } from './object.grammar.js';
import { checkReferences, resolve } from './schema.references.js';
import { SchemaError, type SchemaPath } from './schema.error.js';
import { isObject, JSON_TYPES, type JsonType, KEYWORDS, type Keyword, type Schema } from './schema.keywords.js';
import { checkSize, SCHEMA_LIMITS } from './schema.limits.js';
import { STRING_FORMATS } from './string.formats.js';
import { PatternError, parsePattern } from './string.pattern.js';

type Keys = Readonly<Record<string, unknown>>;

const { repetitions } = SCHEMA_LIMITS;
/** A name's characters become a rule each. */
const LONGEST_NAME = 256;

/**
 * The grammar of a JSON schema (2020-12): every text of it is valid, though not every valid text is of it. It is written
 * here rather than by xgrammar, which takes keywords for granted that it does not obey.
 * @throws SchemaError for a keyword that is not supported, a wrong value, a contradiction, or a limit
 */
export function schemaGrammar(schema: Schema): string {
  checkSize(schema);
  return new SchemaWriter(schema).text();
}

/** The grammar of any JSON object. */
export function objectGrammar(): string {
  const grammar = new GrammarText();
  return grammar.text(new JsonText(grammar).object);
}

class SchemaWriter {
  private readonly grammar = new GrammarText();
  private readonly json = new JsonText(this.grammar);
  /** Rules of what is referred to, by where it stands. */
  private readonly referred = new Map<string, Expression>();

  /** Strings that match a pattern, by the pattern. */
  private readonly patterns = new Map<string, Expression>();

  constructor(private readonly root: Schema) {}

  text(): string {
    const root = this.reference('#', []);
    checkReferences(this.root);
    return this.grammar.text(root);
  }

  private expression(schema: Schema, path: SchemaPath): Expression {
    if (schema === true) return this.json.value;
    if (schema === false) throw new SchemaError(path, 'no value is valid');
    checkKeywords(schema, path);
    const { $ref, anyOf, allOf, nullable } = schema;
    const whole = ['$ref', 'anyOf', 'allOf', 'enum', 'const'].find((key) => key in schema);
    if (whole !== undefined) onlyBeside(whole, schema, path);
    if (typeof $ref === 'string') return this.reference($ref, [...path, '$ref']);
    if (Array.isArray(anyOf))
      return oneOf(anyOf.map((branch: Schema, i) => this.expression(branch, [...path, 'anyOf', String(i)])));
    if (Array.isArray(allOf)) return this.expression(allOf[0] as Schema, [...path, 'allOf', '0']);
    if ('enum' in schema || 'const' in schema) return this.constants(schema, path);
    const types = typesOf(schema);
    const all = nullable === true && !types.includes('null') ? [...types, 'null' as const] : types;
    return all.length === JSON_TYPES.length
      ? this.json.value
      : oneOf(all.map((type) => this.ofType(type, schema, path)));
  }

  private reference(pointer: string, path: SchemaPath): Expression {
    const known = this.referred.get(pointer);
    if (known !== undefined) return known;
    const rule = this.grammar.reserve();
    this.referred.set(pointer, rule);
    const found = resolve(this.root, pointer, path);
    this.grammar.define(rule, this.expression(found.schema, found.path));
    return rule;
  }

  private constants(schema: Keys, path: SchemaPath): Expression {
    const key = 'enum' in schema ? 'enum' : 'const';
    const values = (key === 'enum' ? schema[key] : [schema[key]]) as unknown[];
    if (values.length > SCHEMA_LIMITS.enumValues) {
      throw new SchemaError(
        [...path, key],
        `has ${values.length} values; at most ${SCHEMA_LIMITS.enumValues} are allowed`,
      );
    }
    const types = 'type' in schema ? typesOf(schema) : undefined;
    const allowed = values.filter((value) => types === undefined || types.some((type) => isOfType(value, type)));
    const texts = new Set(allowed.map(constantText));
    if (schema['nullable'] === true) texts.add('null');
    if (texts.size === 0) throw new SchemaError([...path, key], 'has no value of the type beside it');
    return this.grammar.add(oneOfTexts([...texts]));
  }

  private ofType(type: JsonType, schema: Keys, path: SchemaPath): Expression {
    switch (type) {
      case 'object':
        return this.object(schema, path);
      case 'array':
        return this.array(schema, path);
      case 'string':
        return this.string(schema, path);
      case 'number':
      case 'integer':
        return this.number(type, schema, path);
      case 'boolean':
        return this.json.boolean;
      case 'null':
        return this.json.null;
    }
  }

  private object(schema: Keys, path: SchemaPath): Expression {
    const { properties, required = [], additionalProperties: others } = schema;
    if (properties === undefined && others === undefined && (required as string[]).length === 0)
      return this.json.object;
    const entries = Object.entries((properties ?? {}) as Record<string, Schema>);
    if (entries.length > SCHEMA_LIMITS.properties) {
      throw new SchemaError(
        [...path, 'properties'],
        `has ${entries.length} properties; at most ${SCHEMA_LIMITS.properties} are allowed`,
      );
    }
    if (entries.some(([name]) => name.length > LONGEST_NAME)) {
      throw new SchemaError([...path, 'properties'], `has a name of more than ${LONGEST_NAME} characters`);
    }
    const wanted = new Set(required as string[]);
    const members = entries.map(([name, value]) => ({
      name,
      value: this.expression(value, [...path, 'properties', name]),
      required: wanted.delete(name),
    }));
    if (wanted.size > 0) throw new SchemaError([...path, 'required'], 'names a property that properties does not have');
    const allowed =
      others === undefined || others === false
        ? undefined
        : this.expression(others as Schema, [...path, 'additionalProperties']);
    return objectExpression(members, allowed, this.grammar, this.json);
  }

  private array(schema: Keys, path: SchemaPath): Expression {
    const { prefixItems, items } = schema;
    const [least, most] = limits(schema, 'minItems', 'maxItems', path);
    const inner = (): Expression => this.grammar.add(this.expression((items ?? true) as Schema, [...path, 'items']));
    const first = ((prefixItems ?? []) as Schema[]).slice(0, most);
    const written = first.map((item, i) => this.expression(item, [...path, 'prefixItems', String(i)]));
    const further = Math.max(0, least - first.length);
    if (items === false && further > 0)
      throw new SchemaError([...path, 'minItems'], 'asks for more items than there may be');
    const open = isObject(items) || items === true || further > 0 || (items === undefined && prefixItems === undefined);
    const room = most === undefined ? undefined : most - first.length;
    return this.json.tuple(written, open ? { item: inner(), least: further, most: room } : undefined);
  }

  private string(schema: Keys, path: SchemaPath): Expression {
    const { pattern, format } = schema;
    const lengths = ['minLength', 'maxLength'].find((key) => key in schema);
    for (const [key, value] of Object.entries({ pattern, format })) {
      if (value === undefined) continue;
      if (lengths !== undefined) throw new SchemaError([...path, lengths], `is not supported beside ${key}`);
    }
    const form = format === undefined ? undefined : STRING_FORMATS[format as keyof typeof STRING_FORMATS];
    if (pattern !== undefined) return this.matching(pattern as string, [...path, 'pattern'], form);
    if (form !== undefined) return this.matching(form, [...path, 'format']);
    return this.json.string(...limits(schema, 'minLength', 'maxLength', path));
  }

  /** A string that matches a pattern, and the other one where there is one. */
  private matching(pattern: string, path: SchemaPath, form?: string): Expression {
    const key = JSON.stringify([pattern, form]);
    // Many fields have the same one.
    const known = this.patterns.get(key);
    if (known !== undefined) return known;
    try {
      const within = form === undefined ? undefined : parsePattern(form);
      const found = regularExpression(parsePattern(pattern), this.grammar, within);
      if (found === undefined) throw new SchemaError(path, 'matches no string that can be written');
      const string = quoted(found);
      this.patterns.set(key, string);
      return string;
    } catch (error) {
      if (error instanceof PatternError || error instanceof RangeError) throw new SchemaError(path, error.message);
      throw error;
    }
  }

  private regular(expression: Regular): Expression | undefined {
    return regularExpression(expression, this.grammar);
  }

  private number(type: 'number' | 'integer', schema: Keys, path: SchemaPath): Expression {
    const keys = ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'].filter((key) => key in schema);
    if (keys.length === 0) return this.json[type];
    const range =
      type === 'integer' ? integerWithin(numberLimits(schema)) : numberWithin(wholeLimits(schema, keys, path));
    const found = range === undefined ? undefined : this.regular(range);
    if (found === undefined) throw new SchemaError([...path, keys[0]], 'leaves no number');
    return found;
  }
}

/** @throws SchemaError for a keyword that is unknown or has a wrong value */
function checkKeywords(schema: Keys, path: SchemaPath): void {
  for (const [key, value] of Object.entries(schema)) {
    const keyword: Keyword | undefined = Object.hasOwn(KEYWORDS, key)
      ? KEYWORDS[key as keyof typeof KEYWORDS]
      : undefined;
    if (keyword === undefined) throw new SchemaError([...path, key], 'is not supported');
    if (!keyword.accepts(value)) throw new SchemaError([...path, key], `expected ${keyword.expected}`);
  }
}

/** @throws SchemaError for a keyword that would narrow what `whole` says, which is not supported */
function onlyBeside(whole: string, schema: Keys, path: SchemaPath): void {
  const withType = whole === 'enum' || whole === 'const';
  const may = ['$defs', 'definitions', ...(withType ? ['type', 'nullable'] : [])];
  for (const key of Object.keys(schema)) {
    const keyword: Keyword = KEYWORDS[key as keyof typeof KEYWORDS];
    if (key === whole || may.includes(key) || keyword.annotation === true) continue;
    throw new SchemaError([...path, key], `is not supported beside ${whole}`);
  }
}

/** The types that a schema allows: without `type` those that its keywords are about. */
function typesOf(schema: Keys): JsonType[] {
  const { type } = schema;
  if (type !== undefined) {
    const types = (Array.isArray(type) ? type : [type]) as JsonType[];
    return [...new Set(types)].filter((each) => each !== 'integer' || !types.includes('number'));
  }
  const about = Object.keys(schema).flatMap((key) => {
    const { of }: Keyword = KEYWORDS[key as keyof typeof KEYWORDS];
    return of ?? [];
  });
  if (about.length === 0) return [...JSON_TYPES];
  return [...new Set(about)].filter((each) => each !== 'integer');
}

function isOfType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    default:
      return typeof value === type;
  }
}

/** Least and most repetitions. */
function limits(schema: Keys, min: string, max: string, path: SchemaPath): [least: number, most: number | undefined] {
  const [least = 0, most] = [schema[min], schema[max]] as (number | undefined)[];
  if (least > repetitions) throw new SchemaError([...path, min], `is more than ${repetitions}`);
  if (most !== undefined && most < least) throw new SchemaError([...path, max], `is less than ${min}`);
  return [least, most === undefined ? undefined : Math.min(most, repetitions)];
}

function numberLimits({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Keys): NumberLimits {
  const [low, aboveLow, high, belowHigh] = [minimum, exclusiveMinimum, maximum, exclusiveMaximum] as (
    number | undefined
  )[];
  const aboveLeast = aboveLow !== undefined && (low === undefined || aboveLow >= low);
  const belowMost = belowHigh !== undefined && (high === undefined || belowHigh <= high);
  const [least, most] = [aboveLeast ? aboveLow : low, belowMost ? belowHigh : high];
  return {
    ...(least === undefined ? {} : { least }),
    ...(most === undefined ? {} : { most }),
    aboveLeast,
    belowMost,
  };
}

function wholeLimits(schema: Keys, keys: readonly string[], path: SchemaPath): NumberLimits {
  const highest = 10 ** LIMITED_DIGITS.whole - 1;
  for (const key of keys) {
    const value = schema[key] as number;
    if (!Number.isInteger(value)) throw new SchemaError([...path, key], 'of a number is supported where it is whole');
    if (Math.abs(value) > highest) throw new SchemaError([...path, key], `of a number is supported up to ${highest}`);
  }
  return numberLimits(schema);
}
