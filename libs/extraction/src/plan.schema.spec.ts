import type { Schema } from '@madakv/grammar';
import { describe, expect, it } from 'vitest';
import { EXTRACTION_LIMITS } from './extraction.plan.js';
import { extractionPlan } from './plan.schema.js';

const object = (properties: Record<string, unknown>, more: object = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
});
const questions = (schema: Schema): string[] => extractionPlan(schema).fields.map(({ question }) => question);
const text = { type: 'string' };

describe('extractionPlan', () => {
  it('asks for each property, by its title or its key', () => {
    expect(
      questions(
        object({
          invoice_number: text,
          dueDate: { type: 'string', format: 'date' },
          'sort-code': text,
          IBAN: text,
          TOTAL_AMOUNT: { type: 'number' },
          x1: { title: 'VAT Rate', type: 'number' },
        }),
      ),
    ).toEqual([
      'What is the invoice number? Answer with the value only.',
      'What is the due date? Answer with the value only.',
      'What is the sort code? Answer with the value only.',
      'What is the IBAN? Answer with the value only.',
      'What is the total amount? Answer with the value only.',
      'What is the VAT rate? Answer with the value only.',
    ]);
  });

  it('says what descriptions and enums add on a line before the question', () => {
    expect(
      questions(
        object({
          due: { title: 'Due Date', description: 'The last day\nfor payment', type: 'string' },
          method: { enum: ['cash', 'card', null] },
          paid: { type: 'boolean' },
        }),
      ),
    ).toEqual([
      'Due date: The last day for payment.\nWhat is the due date? Answer with the value only.',
      'Method: One of: cash, card.\nWhat is the method? Answer with the value only.',
      'Paid: Yes or no.\nPaid?',
    ]);
  });

  it('asks a description that is a question as it stands', () => {
    expect(
      questions(
        object({
          chair: { description: 'What is the unit price of Office chair?', type: 'number' },
          driver: { title: 'Is the driver Marek Novak?', type: 'boolean' },
        }),
      ),
    ).toEqual(['What is the unit price of Office chair? Answer with the value only.', 'Is the driver Marek Novak?']);
  });

  it('asks for the properties of objects within it, by their paths', () => {
    const plan = extractionPlan(
      object(
        {
          seller: object({ name: { title: 'Name', type: 'string' }, vat_id: text }, { title: 'Seller' }),
          buyer: { $ref: '#/$defs/party' },
        },
        { $defs: { party: object({ name: text, buyer_number: text }) } },
      ),
    );
    expect(plan.fields.map(({ name, question }) => [name, question.split(' Answer')[0]])).toEqual([
      ['seller.name', 'What is the seller name?'],
      ['seller.vat_id', 'What is the seller vat id?'],
      ['buyer.name', 'What is the buyer name?'],
      ['buyer.buyer_number', 'What is the buyer number?'],
    ]);
  });

  it('asks once for a list and once for a table', () => {
    const { fields } = extractionPlan(
      object({
        tags: { type: 'array', items: text },
        line_items: {
          type: 'array',
          maxItems: 5,
          items: object({
            Description: text,
            unit_price: { type: 'number', title: 'Unit Price', description: 'Without tax' },
            kind: { enum: ['a', 'b'] },
          }),
        },
      }),
    );
    expect(fields.map(({ question }) => question)).toEqual([
      'List every tags, one a line.',
      'Line items: Unit price: Without tax. Kind: one of: a, b.\n' +
        'List the rows of the table line items. One row a line, its cells separated by |, in this order: description | unit price | kind',
    ]);
    expect(fields[1].kind).toMatchObject({ kind: 'table', minItems: 0, maxItems: 5 });
    expect(fields.map(({ maxTokens }) => maxTokens)).toEqual([512, 2_048]);
  });

  it.each([
    [{ type: ['string', 'null'] }, 'text', true],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, 'integer', true],
    [{ anyOf: [{ const: 'a' }, { const: 'b' }, { const: null }] }, 'choice', true],
    [{ type: 'number', nullable: true }, 'number', true],
    [{ type: ['integer', 'number'] }, 'number', false],
    [{ allOf: [{ type: 'boolean' }] }, 'boolean', false],
    [{ enum: ['a', null] }, 'choice', true],
    [{ type: 'string', enum: ['a', null] }, 'choice', false],
    [true, 'text', true],
    [{ minimum: 3 }, 'number', false],
  ])('reads %j as %s', (schema, kind, nullable) => {
    const { root, fields } = extractionPlan(object({ a: schema }));
    expect(fields[0].kind.kind).toBe(kind);
    expect(root.members[0].value).toMatchObject({ node: 'field', nullable });
  });

  it('does not ask for what is constant', () => {
    const { fields, root } = extractionPlan(object({ type: { const: 'invoice' }, none: { type: 'null' }, a: text }));
    expect(fields.map(({ name }) => name)).toEqual(['a']);
    expect(root.members.map(({ value }) => value)).toMatchObject([{ value: 'invoice' }, { value: null }, {}]);
  });

  it.each<[string, string, Schema]>([
    ['type', 'expected object', { type: 'array', items: text }],
    ['properties', 'expected at least one', { type: 'object' }],
    ['properties', 'leaves nothing to ask for', object({ a: { const: 1 } })],
    ['properties.a.oneOf', 'is not supported', object({ a: { oneOf: [text] } })],
    ['properties.a.type', 'allows string, number; a field has one type', object({ a: { type: ['string', 'number'] } })],
    ['properties.a.anyOf', 'allows several kinds of value', object({ a: { anyOf: [text, { type: 'number' }] } })],
    ['properties.a.properties', 'expected at least one', object({ a: { type: 'object', additionalProperties: text } })],
    [
      'properties.a.items.type',
      'an entry of a list is a text',
      object({ a: { type: 'array', items: { type: 'array' } } }),
    ],
    ['properties.a.prefixItems', 'is not asked for', object({ a: { type: 'array', prefixItems: [text] } })],
    [
      'properties.a.items.properties.b.type',
      'a column of a table is a text',
      object({ a: { type: 'array', items: object({ b: object({ c: text }) }) } }),
    ],
    ['properties.a.enum', 'has an object or a list', object({ a: { enum: [{}] } })],
    ['properties.next.$ref', 'leads back to itself', object({ next: { $ref: '#' }, a: text })],
    ['properties.a.b', 'has the same name as a field before it', object({ a: object({ b: text }), 'a.b': text })],
    [
      'properties.a',
      `makes a question of 2111 characters; at most ${EXTRACTION_LIMITS.questionCharacters} are asked`,
      object({ a: { type: 'string', description: 'x'.repeat(2_064) } }),
    ],
    [
      'properties.f64',
      'is field 65; at most 64 are asked for in one document',
      object(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, text]))),
    ],
    [
      'properties.a.items.properties',
      'has 17 columns; a table has at most 16',
      object({
        a: {
          type: 'array',
          items: object(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`c${i}`, text]))),
        },
      }),
    ],
    [
      'properties.a.enum',
      'has 65 values; a field chooses from at most 64',
      object({ a: { enum: Array.from({ length: 65 }, (_, i) => i) } }),
    ],
  ])('refuses %s: %s', (path, message, schema) => {
    const plan = (): unknown => extractionPlan(schema);
    expect(plan).toThrow(message);
    expect(plan).toThrow(
      expect.objectContaining({ path: path === 'properties.a.b' ? ['properties', 'a.b'] : path.split('.') }),
    );
  });

  it('refuses objects that lie too deep', () => {
    let schema: Schema = object({ a: text });
    for (let i = 0; i < 10; i++) schema = object({ a: schema });
    expect(() => extractionPlan(schema)).toThrow('lies deeper than 8 objects');
  });
});
