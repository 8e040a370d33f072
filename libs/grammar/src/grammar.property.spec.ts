import fc from 'fast-check';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { GrammarCompiler } from './grammar.compiler.js';
import type { Schema } from './schema.keywords.js';
import { SchemaError } from './schema.error.js';
import { walk } from './testing/answer.walk.js';
import { byteVocabulary } from './testing/byte.vocabulary.js';

const vocabulary = byteVocabulary([
  '{"',
  '":',
  '": ',
  '", "',
  '"}',
  '\u00e9',
  '\u2028x',
  'null',
  '12',
  '-',
  '.5',
  '\\u',
  ' ',
]);
const compiler = new GrammarCompiler(vocabulary);
const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: true });
addFormats.default(ajv);

const PATTERNS = [
  '^[a-c]{2,4}$',
  'x+',
  '^(?:ab|\\d\\d?)\\.$',
  '^[^a-z"]{0,3}\\\\$',
  '^\\D\\W\\S.$',
  '^[\u00e0-\u00e5\\s"]{1,3}$',
  '^$|^a',
  '^\\n{2}?[^\\s\\d]$',
];

const name = fc.oneof(
  fc.constantFrom('a', 'ab', 'abc', 'b', '', '"', '\\', '\u00e9', '\u2028', 'a\u00e9', '1'),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
);
const scalar = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 5 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const between = (low: string, high: string, most: number): fc.Arbitrary<object> =>
  fc.tuple(fc.nat(most), fc.nat(most), fc.boolean(), fc.boolean()).map(([a, b, first, second]) => ({
    ...(first ? { [low]: Math.min(a, b) } : {}),
    ...(second ? { [high]: Math.max(a, b) } : {}),
  }));
const bound = fc.oneof(fc.integer({ min: -120, max: 120 }), fc.integer({ min: -200_000_000, max: 200_000_000 }));
const bounds = fc.record(
  { minimum: bound, maximum: bound, exclusiveMinimum: bound, exclusiveMaximum: bound },
  { requiredKeys: [] },
);

const { schema } = fc.letrec<{ schema: Schema; leaf: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('leaf'),
    tie('leaf'),
    objectOf(tie('schema')),
    arrayOf(tie('schema')),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc.constant({ $ref: '#/$defs/leaf' }),
    fc.constant({ $ref: '#/$defs/tree' }),
  ),
  leaf: fc.oneof(
    fc.constantFrom<Schema[]>(
      true,
      {},
      { type: 'boolean' },
      { type: 'null' },
      { type: 'object' },
      { type: 'array' },
      { type: ['string', 'null'] },
      { type: ['integer', 'number', 'object'] },
    ),
    between('minLength', 'maxLength', 5).map((keys) => ({ type: 'string', ...keys })),
    fc.constantFrom(...PATTERNS).map((pattern) => ({ type: 'string', pattern })),
    fc.constantFrom('date', 'time', 'date-time', 'email', 'ipv4', 'uuid').map((format) => ({ type: 'string', format })),
    fc.tuple(fc.constantFrom('number', 'integer'), bounds).map(([type, keys]) => ({ type, ...keys })),
    bounds,
    fc.array(scalar, { minLength: 1, maxLength: 4 }).map((values) => ({ enum: values })),
    fc.oneof(scalar, fc.dictionary(name, scalar, { maxKeys: 2 })).map((value) => ({ const: value })),
    fc.constant({ type: 'string', nullable: true }),
  ),
}));

function objectOf(inner: fc.Arbitrary<Schema>): fc.Arbitrary<Schema> {
  const properties = fc.uniqueArray(fc.tuple(name, inner, fc.boolean()), { selector: ([key]) => key, maxLength: 4 });
  return fc
    .tuple(properties, fc.option(fc.oneof(fc.boolean(), inner), { nil: undefined }))
    .map(([entries, others]) => ({
      type: 'object',
      properties: Object.fromEntries(entries.map(([key, value]) => [key, value])),
      required: entries.filter(([, , required]) => required).map(([key]) => key),
      ...(others === undefined ? {} : { additionalProperties: others }),
    }));
}

function arrayOf(inner: fc.Arbitrary<Schema>): fc.Arbitrary<Schema> {
  return fc
    .tuple(
      between('minItems', 'maxItems', 3),
      fc.option(inner, { nil: undefined }),
      fc.option(fc.array(inner, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    )
    .map(([keys, items, prefixItems]) => ({
      type: 'array',
      ...keys,
      ...(items === undefined ? {} : { items }),
      ...(prefixItems === undefined ? {} : { prefixItems }),
    }));
}

const DEFS = {
  leaf: { type: 'integer', minimum: 0 },
  tree: {
    type: 'object',
    properties: { v: { type: 'integer' }, sub: { type: 'array', items: { $ref: '#/$defs/tree' }, maxItems: 2 } },
    required: ['v'],
    additionalProperties: false,
  },
};

describe('answers of a schema', () => {
  it('parse and are valid, whatever the schema and the logits', async () => {
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(schema, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), async (inner, draws) => {
        const whole = { anyOf: [inner], $defs: DEFS };
        const validate = ajv.compile(JSON.parse(JSON.stringify(whole)) as object);
        let constraint;
        try {
          constraint = await compiler.constraint({ kind: 'json_schema', schema: whole, strict: false });
        } catch (error) {
          if (error instanceof SchemaError) return;
          throw error;
        }
        const random = seeded(draws.next().value as number);
        const answer = await walk(constraint, vocabulary, random);
        if (!answer.ended) return;
        ended++;
        const value: unknown = JSON.parse(answer.text);
        expect(validate(value) || { text: answer.text, errors: validate.errors }).toBe(true);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 300) },
    );
    expect(ended).toBeGreaterThan(100);
  });
});

function seeded(start: number): () => number {
  let state = Math.floor(start * 2 ** 32) | 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}
