import { describe, expect, it } from 'vitest';
import { GrammarCompiler } from './grammar.compiler.js';
import { UnspeakableError } from './grammar.constraint.js';
import { answerGrammar } from './response.grammar.js';
import { SchemaError } from './schema.error.js';
import type { Schema } from './schema.keywords.js';
import { byteVocabulary, END } from './testing/byte.vocabulary.js';

const vocabulary = byteVocabulary();
const compiler = new GrammarCompiler(vocabulary);
const format = (schema: Schema, strict = false) => ({ kind: 'json_schema', schema, strict }) as const;

/** Whether a text is an answer of the schema, byte by byte. */
async function takes(schema: Schema, text: string | Uint8Array): Promise<boolean> {
  const constraint = await compiler.constraint(format(schema));
  try {
    for (const byte of typeof text === 'string' ? new TextEncoder().encode(text) : text) {
      if (!allowed(constraint, byte)) return false;
      await constraint.accept(byte);
    }
    return allowed(constraint, END);
  } finally {
    constraint.free();
  }
}

function allowed(constraint: { mask(logits: Float32Array): void }, id: number): boolean {
  const logits = new Float32Array(vocabulary.size);
  constraint.mask(logits);
  return logits[id] === 0;
}

describe('a schema takes', () => {
  const person = {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name'],
  };
  it.each<[Schema, string[], string[]]>([
    [
      person,
      ['{"name":"a"}', '{ "name": "a", "age": 3 }', '{\n  "name": "\\u00e9"\n}'],
      ['{}', '{"age":1}', '{"name":"a","x":1}', '{"name":"a",}'],
    ],
    [
      { ...person, additionalProperties: { type: 'null' } },
      ['{"name":"","nam":null}'],
      ['{"name":"","name":null}', '{"name":"","b":1}'],
    ],
    [{ type: 'integer', minimum: -3, exclusiveMaximum: 12 }, ['-3', '0', '11', '-1'], ['-4', '12', '012', '1.5', '-0']],
    [
      { type: 'number', exclusiveMinimum: 0, maximum: 1 },
      ['0.5', '1', '1.0', '0.000001'],
      ['0', '0.0', '1.1', '-1', '1e3'],
    ],
    [{ type: 'integer', exclusiveMinimum: 10_000_000 }, ['10000001', '123456789012345'], ['10000000', '12126']],
    [{ type: 'string', maxLength: 2 }, ['"aé"', '"\\n\\""', '""', '"€€"'], ['"abc"', '"\\ud83d"', '"\u0001"']],
    [
      { type: 'string', minLength: 60, maxLength: 61 },
      [`"${'é'.repeat(60)}"`],
      [`"${'a'.repeat(59)}"`, `"${'a'.repeat(62)}"`],
    ],
    [{ pattern: '^[A-Z]{2}-\\d+$' }, ['"AB-1"'], ['"AB-"', '"ab-1"', 'null']],
    [{ pattern: '"|\\\\' }, ['"\\""', '"\\\\"'], ['"""', '"a"']],
    [
      { format: 'date' },
      ['"2024-02-29"', '"2023-12-31"'],
      ['"2023-02-29"', '"2023-13-01"', '"2023-04-31"', '"1900-02-29"'],
    ],
    [
      { format: 'date', pattern: '^20\\d\\d-0.*' },
      ['"2024-02-29"'],
      ['"1999-02-01"', '"2024-12-01"', '"2023-02-29"', '"20"'],
    ],
    [{ format: 'email', pattern: '[^é]*' }, ['"a@b.de"'], ['"aé@b.de"', '"a"']],
    [{ enum: ['a', 'ab', 1, null, { x: [1] }] }, ['"a"', '"ab"', '1', 'null', '{"x":[1]}'], ['"b"', '2', '{"x": [1]}']],
    [{ type: 'string', enum: ['a', 1] }, ['"a"'], ['1']],
    [{ const: 'line\u2028' }, ['"line\\u2028"'], ['"line\u2028"']],
    [{ type: ['string', 'null'], maxLength: 1 }, ['null', '"a"'], ['"ab"', '1']],
    [
      { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
      ['[true]', '[ true, false ]'],
      ['[]', '[true,true,true]', '[1]'],
    ],
    [
      { type: 'array', prefixItems: [{ type: 'null' }, { const: 3 }], items: false },
      ['[null,3]'],
      ['[null]', '[null,3,1]'],
    ],
    [{ type: 'array', maxItems: 0 }, ['[]'], ['[1]']],
    [
      { anyOf: [{ type: 'null' }, { $ref: '#/definitions/a~1b' }], definitions: { 'a/b': { const: 1 } } },
      ['null', '1'],
      ['2'],
    ],
    // The two classes that are everything together.
    [{ pattern: '^[\\s\\S]+$', type: 'string' }, ['"Müller"', '"a b"'], ['""']],
    // A fragment of a URI, and a name that only looks like one.
    [{ $ref: '#/$defs/Gr%C3%B6%C3%9Fe%3Ccm~1m%3E', $defs: { 'Größe<cm/m>': { const: 1 } } }, ['1'], ['2']],
    [{ $ref: '#/$defs/a%20b', $defs: { 'a%20b': { const: 1 }, 'a b': { const: 2 } } }, ['1'], ['2']],
    [{ $ref: '#/$defs/100%', $defs: { '100%': { const: 1 } } }, ['1'], ['2']],
    [{ type: 'object', properties: { next: { $ref: '#' } } }, ['{}', '{"next":{"next":{}}}'], ['{"next":null}']],
    [{ allOf: [{ type: 'boolean' }], title: 'x' }, ['true'], ['null']],
    [{ type: 'boolean', nullable: true }, ['true', 'null'], ['1']],
    [
      { type: 'object', properties: JSON.parse('{"__proto__":{"type":"null"}}') as object, required: ['__proto__'] },
      ['{"__proto__":null}'],
      ['{}'],
    ],
    [true, ['{"a":[1,"b",null]}', '-1.5e+10', '""'], ['01', '[1,]', '{"a"}']],
  ])('%j', async (schema, valid, invalid) => {
    for (const text of valid) expect([text, await takes(schema, text)]).toEqual([text, true]);
    for (const text of invalid) expect([text, await takes(schema, text)]).toEqual([text, false]);
  });

  it('UTF-8 and nothing else in its strings', async () => {
    const quoted = (...bytes: number[]) => Uint8Array.of(0x22, ...bytes, 0x22);
    expect(await takes({ type: 'string' }, quoted(0xf0, 0x9f, 0x98, 0x80))).toBe(true);
    for (const bytes of [
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0x80],
      [0xe2, 0x80, 0xa8],
      [0xc3],
    ]) {
      expect(await takes({ type: 'string' }, quoted(...bytes))).toBe(false);
    }
  });
});

describe('a schema is refused', () => {
  const deep = (levels: number): Schema => (levels === 0 ? {} : { items: deep(levels - 1) });
  const many = (each: (i: number) => Schema): Schema => ({
    properties: Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`p${i}`, each(i)])),
  });
  it.each<[Schema, string, RegExp]>([
    [{ properties: { a: { oneOf: [{}] } } }, 'properties.a.oneOf', /^is not supported$/],
    [{ not: {} }, 'not', /^is not supported$/],
    [{ uniqueItems: true }, 'uniqueItems', /^is not supported$/],
    [{ multipleOf: 2 }, 'multipleOf', /^is not supported$/],
    [{ constructor: 1 }, 'constructor', /^is not supported$/],
    [{ allOf: [{}, {}] }, 'allOf', /one schema/],
    [{ anyOf: [{}], properties: {} }, 'properties', /not supported beside anyOf/],
    [{ type: 'text' }, 'type', /^expected one of object/],
    [{ format: 'hostname' }, 'format', /^expected one of date/],
    [{ pattern: '(' }, 'pattern', /^is no regular expression$/],
    [{ pattern: 'a\\b' }, 'pattern', /assertion/],
    [{ pattern: '(a)\\1' }, 'pattern', /reference/],
    [{ pattern: '(?=a)a' }, 'pattern', /assertion/],
    [{ pattern: '\\p{L}' }, 'pattern', /not supported/],
    [{ pattern: '([a-z]{1,100}){1,100}' }, 'pattern', /too large/],
    [{ pattern: 'a', maxLength: 3 }, 'maxLength', /beside pattern/],
    [{ pattern: '^x', format: 'date' }, 'pattern', /matches no string/],
    [{ type: 'number', minimum: 0.5 }, 'minimum', /whole/],
    [{ type: 'integer', minimum: 5, maximum: 4 }, 'minimum', /leaves no number/],
    [{ required: ['a'] }, 'required', /does not have/],
    [{ properties: { a: false } }, 'properties.a', /no value is valid/],
    [{ minItems: 3, maxItems: 2 }, 'maxItems', /less than minItems/],
    [{ items: false, minItems: 1 }, 'minItems', /more items/],
    [{ type: 'string', enum: [1] }, 'enum', /no value of the type/],
    [{ $ref: 'https://example.org/a' }, '$ref', /within the schema/],
    [{ $ref: '#/$defs/none' }, '$ref', /points to no schema/],
    [{ $ref: '#' }, '', /refers to itself/],
    [{ properties: { a: { $ref: '#' } }, required: ['a'] }, '', /no value of it comes to an end/],
    [{ enum: Array.from({ length: 1_001 }, (_, i) => i) }, 'enum', /1001 values; at most 1000/],
    [
      { properties: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`p${i}`, {}])) },
      'properties',
      /at most 256/,
    ],
    [{ anyOf: Array.from({ length: 40 }, (_, i) => ({ type: 'string', maxLength: 100 + i })) }, '', /at most 128/],
    // Each is within its own limits; all of them together are not, which has to be known before they are made.
    [many((i) => ({ pattern: `^(((a{1,9}){1,9}){1,9}){1,${i + 1}}$` })), '', /at most 2000000 steps/],
    [
      many((i) => ({ type: 'integer', minimum: 1_234_567 * i + 1, maximum: 1_234_567 * i + 987_654_321 })),
      '',
      /more than the 524288 bytes/,
    ],
    [{ description: 'a'.repeat(70_000) }, '', /bytes; at most 65536/],
    [deep(70), '', /deeper than 64 levels/],
  ])('%#: the keyword is named', (schema, path, message) => {
    const refusal = (): unknown => answerGrammar(format(schema));
    expect(refusal).toThrow(SchemaError);
    expect(refusal).toThrow(message);
    try {
      refusal();
    } catch (error) {
      expect((error as SchemaError).path.join('.')).toBe(path);
    }
  });
});

describe('a vocabulary', () => {
  it('that lacks a letter says so before or when it is wanted', async () => {
    const digits = new GrammarCompiler({ ...vocabulary, bytes: (id) => Uint8Array.of(...(id < 0x61 ? [id] : [])) });
    await expect(digits.constraint(format({ const: null }))).rejects.toThrow(UnspeakableError);
    const late = await digits.constraint(format({ enum: [[null]] }));
    await expect(late.accept(0x5b)).rejects.toThrow(UnspeakableError);
    late.free();
  });

  it('serves many formats at once, and those that were dropped again', async () => {
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) => compiler.constraint(format({ const: i }))));
    for (const [i, constraint] of all.entries()) {
      expect(allowed(constraint, String(i).charCodeAt(0))).toBe(true);
      constraint.free();
    }
    expect(await takes({ const: 0 }, '0')).toBe(true);
  });
});
