import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schema } from '@madakv/grammar';
import { assemble } from './assemble.js';
import { TEXT_FORMATS } from './extraction.plan.js';
import { extractionPlan } from './plan.schema.js';

const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: true });
addFormats.default(ajv);

const small = fc.integer({ min: -50, max: 50 });
const bounds = (low: string, high: string): fc.Arbitrary<object> =>
  fc.tuple(small, small).map(([a, b]) => ({ [low]: Math.min(a, b), [high]: Math.max(a, b) }));
const count = fc.tuple(fc.nat(4), fc.nat(4)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
const scalar: fc.Arbitrary<object> = fc.oneof(
  fc.constant({ type: 'string' }),
  fc.constantFrom(...TEXT_FORMATS).map((format) => ({ type: 'string', format })),
  fc.constantFrom('^[A-Z]+-\\d+$', '\\d', '^.{2}$').map((pattern) => ({ type: 'string', pattern })),
  count.map(([minLength, maxLength]) => ({ type: 'string', minLength, maxLength: maxLength + 3 })),
  fc
    .tuple(fc.constantFrom('number', 'integer'), bounds('minimum', 'maximum'))
    .map(([type, limits]) => ({ type, ...limits })),
  fc.constantFrom({ type: 'number' }, { type: 'integer' }, { type: 'boolean' }, {}),
  fc.constantFrom(
    { enum: ['cash', 'card', 7] },
    { enum: ['none', 'some', null] },
    { type: 'string', enum: ['a', 3] },
    { const: 4 },
  ),
);
const nullable = (inner: fc.Arbitrary<object>): fc.Arbitrary<object> =>
  fc.oneof(
    { weight: 2, arbitrary: inner },
    inner.map((schema) => ({ anyOf: [schema, { type: 'null' }] })),
    inner.map((schema) => ({ ...schema, ...('type' in schema && !('enum' in schema) ? { nullable: true } : {}) })),
  );
const members = (value: fc.Arbitrary<object>): fc.Arbitrary<object> =>
  fc
    .dictionary(fc.constantFrom('a', 'total_amount', 'dueDate', 'x y', 'b'), value, { minKeys: 1, maxKeys: 4 })
    .chain((properties) =>
      fc
        .subarray(Object.keys(properties))
        .map((required) => ({ type: 'object', properties, required, additionalProperties: false })),
    );
const list = fc
  .tuple(fc.oneof(scalar, members(nullable(scalar))), count)
  .map(([items, [minItems, maxItems]]) => ({ type: 'array', items, minItems, maxItems }));
const schemas = members(nullable(fc.oneof({ weight: 3, arbitrary: scalar }, list, members(nullable(scalar)))));

const piece = fc.oneof(
  fc.constantFrom(
    'not stated',
    'N/A',
    '-',
    'HT-4827',
    'yes',
    'No.',
    'card',
    'none',
    '7',
    '1.234,56',
    '12,5 %',
    '1,234',
    '2025-03-14',
    '14 March 2025',
    '2025-03-14T09:42:00Z',
    '09:42+01:00',
    'a@b.org',
    '10.0.0.1',
    '123e4567-e89b-12d3-a456-426614174000',
    'A1',
    '|',
    'x | 3 | yes',
    '7 | 8',
    '- a\n- b',
  ),
  fc.integer({ min: -60, max: 60 }).map(String),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);
const answer = fc.oneof(
  { weight: 3, arbitrary: piece },
  fc.array(piece, { maxLength: 4 }).map((lines) => lines.join('\n')),
);

describe('what is assembled', () => {
  it('is valid, or says what is missing, whatever the schema and the answers', () => {
    let [valid, missing] = [0, 0];
    fc.assert(
      fc.property(schemas, fc.array(answer, { minLength: 20, maxLength: 20 }), (schema, answers) => {
        let plan;
        try {
          plan = extractionPlan(schema as Schema);
        } catch (error) {
          // Of constants nothing is asked; an enum may have no value of its type.
          expect(String(error)).toMatch(/leaves nothing to ask for|leaves no number|has no value of the type/);
          return;
        }
        const given = plan.fields.map((_, i) => ({ text: answers[i % answers.length], isWhole: i % 7 !== 6 }));
        const { object, isValid, fields } = assemble(plan, given);
        expect(ajv.validate(schema, JSON.parse(JSON.stringify(object)))).toBe(isValid);
        if (isValid) valid++;
        else {
          missing++;
          expect(fields.some(({ problems }) => problems.length > 0)).toBe(true);
        }
        for (const field of fields)
          if (field.value !== null) expect(field.problems.every(({ name }) => name.includes('['))).toBe(true);
      }),
      { numRuns: 500 },
    );
    // Neither of them is rare.
    expect(Math.min(valid, missing)).toBeGreaterThan(50);
  });
});
