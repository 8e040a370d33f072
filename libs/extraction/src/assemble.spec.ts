import type { Schema } from '@madakv/grammar';
import { describe, expect, it } from 'vitest';
import { assemble, type Extraction } from './assemble.js';
import { extractionPlan } from './plan.schema.js';

const text = { type: 'string' };
const object = (properties: Record<string, unknown>, required: string[] = [], more: object = {}): Schema => ({
  type: 'object',
  properties,
  required,
  ...more,
});
const extracted = (schema: Schema, ...answers: string[]): Extraction =>
  assemble(
    extractionPlan(schema),
    answers.map((answer) => ({ text: answer, isWhole: true })),
  );
const problems = ({ fields }: Extraction): unknown[] =>
  fields.flatMap((field) => field.problems.map(({ name, answer, message }) => [name, answer, message]));

describe('assemble', () => {
  it('makes an object of the answers', () => {
    const found = extracted(
      object({
        number: text,
        due: { type: 'string', format: 'date' },
        total: { type: 'number' },
        paid: { type: 'boolean' },
        method: { enum: ['cash', 'card'] },
        kind: { const: 'invoice' },
        seller: object({ name: text }),
      }),
      'HT-4827',
      '13 April 2025',
      '£1,246.32',
      'Yes',
      'by card',
      'Harbor Trading Ltd',
    );
    expect(found.object).toEqual({
      number: 'HT-4827',
      due: '2025-04-13',
      total: 1246.32,
      paid: true,
      method: 'card',
      kind: 'invoice',
      seller: { name: 'Harbor Trading Ltd' },
    });
    expect(found.isValid).toBe(true);
    expect(problems(found)).toEqual([]);
  });

  it('has null for what is not stated where that is valid, and leaves out what is optional', () => {
    const nullable = { type: ['string', 'null'] };
    const found = extracted(object({ a: nullable, b: nullable, c: text }, ['a']), 'not stated', 'N/A', 'not stated');
    expect(found.object).toEqual({ a: null, b: null });
    expect(found.isValid).toBe(true);
    expect(found.fields.map(({ value }) => value)).toEqual([null, null, null]);
  });

  it('has null for what is required and not stated, and says that it lacks', () => {
    const found = extracted(object({ a: text, b: { type: 'integer' } }, ['a', 'b']), 'not stated', 'seven');
    expect(found.object).toEqual({ a: null, b: null });
    expect(found.isValid).toBe(false);
    expect(problems(found)).toEqual([
      ['a', 'not stated', 'is required, and the document does not state it'],
      ['b', 'seven', 'is not one integer'],
    ]);
  });

  it('keeps what does not fit beside the reason', () => {
    const found = extracted(object({ due: { type: ['string', 'null'], format: 'date' } }), '08/11/2025');
    expect(found.object).toEqual({ due: null });
    expect(found.isValid).toBe(true);
    expect(found.fields[0]).toMatchObject({ answer: '08/11/2025', value: null });
    expect(problems(found)).toEqual([['due', '08/11/2025', 'is a date whose day and month cannot be told apart']]);
  });

  it('makes nothing of an answer that was cut off', () => {
    const plan = extractionPlan(object({ a: text }));
    const found = assemble(plan, [{ text: 'The quick brown', isWhole: false }]);
    expect(found.object).toEqual({});
    expect(problems(found)).toEqual([['a', 'The quick brown', 'was cut off at its limit of tokens']]);
  });

  it('leaves out an object of which nothing is stated, unless it is required', () => {
    const party = { ...(object({ name: text }, ['name']) as object), type: ['object', 'null'] };
    const schema = object(
      { a: object({ name: text }, ['name']), b: party, c: object({ name: { type: ['string', 'null'] } }) },
      ['b', 'c'],
    );
    const found = extracted(schema, 'not stated', 'not stated', 'not stated');
    expect(found.object).toEqual({ b: null, c: { name: null } });
    expect(found.isValid).toBe(true);
    expect(problems(found)).toEqual([]);
  });

  it('reads numbers as the document writes its others', () => {
    const schema = object({ a: { type: 'number' }, b: { type: 'number' } });
    expect(extracted(schema, '1.234,50', '2.000').object).toEqual({ a: 1234.5, b: 2000 });
    expect(extracted(schema, '1,234.50', '2.000').object).toEqual({ a: 1234.5, b: 2 });
    expect(extracted(schema, '7', '2.000').object).toEqual({ a: 7 });
    // One that writes both is no witness.
    const three = object({ a: { type: 'number' }, b: { type: 'number' }, c: { type: 'number' } });
    expect(extracted(three, '1.234,50', '1,234.50', '2.000').object).toEqual({ a: 1234.5, b: 1234.5 });
  });

  it('takes what is beyond doubt before what money lets suppose', () => {
    const schema = object({ petrol: { type: 'number' }, weight: { type: 'number' }, total: { type: 'number' } });
    expect(extracted(schema, '$3.459', '2.345 LBS', '$45.90').object).toEqual({
      petrol: 3.459,
      weight: 2.345,
      total: 45.9,
    });
    expect(extracted(schema, '$3,459', '2.345 LBS', '$45').object).toEqual({ petrol: 3459, weight: 2.345, total: 45 });
  });

  it('reads yes and no with what is said besides', () => {
    const schema = object({ signed: { type: 'boolean' }, taxed: { type: 'boolean' }, sealed: { type: 'boolean' } });
    const said = ['No, a signature is not visible.', 'Yes, but the rate is not stated.', 'The seal is not mentioned.'];
    expect(extracted(schema, ...said).object).toEqual({ signed: false, taxed: true });
  });

  it('keeps entries of which one reads as if there were none', () => {
    const rules = object({ rules: { type: 'array', items: text } });
    expect(extracted(rules, 'Smoking is not allowed\nPets only where listed.').object).toEqual({
      rules: ['Smoking is not allowed', 'Pets only where listed.'],
    });
    expect(extracted(rules, 'No rules are listed.').object).toEqual({ rules: [] });
  });

  it('reads lists', () => {
    const schema = object({
      tags: { type: 'array', items: text },
      years: { type: 'array', items: { type: 'integer' } },
    });
    expect(extracted(schema, '- red\n- green', '1. 2023\n2. 2024').object).toEqual({
      tags: ['red', 'green'],
      years: [2023, 2024],
    });
    expect(extracted(schema, 'red; green', 'not stated').object).toEqual({ tags: ['red', 'green'], years: [] });
    expect(problems(extracted(schema, 'red', '2023\nmany'))).toEqual([['years[1]', 'many', 'is not one integer']]);
  });

  it('holds lists to their lengths', () => {
    const schema = object({ a: { type: ['array', 'null'], items: text, minItems: 2, maxItems: 3 } });
    expect(extracted(schema, 'a\nb').object).toEqual({ a: ['a', 'b'] });
    expect(extracted(schema, 'not stated').object).toEqual({ a: null });
    expect(problems(extracted(schema, 'not stated'))).toEqual([]);
    expect(problems(extracted(schema, 'a'))).toEqual([['a', 'a', 'has 1 entries; at least 2 are wanted']]);
    expect(problems(extracted(schema, 'a\nb\nc\nd'))).toEqual([
      ['a', 'a\nb\nc\nd', 'has 4 entries; at most 3 are wanted'],
    ]);
  });

  it('reads tables', () => {
    const row = object({ item: text, price: { type: ['number', 'null'] }, note: text }, ['item', 'price']);
    const schema = object({ rows: { type: 'array', items: row } });
    const answer =
      '```\n| Item | Price | Note |\n|---|---|---|\n| Desk | 1.034,50 | new |\n| Lamp | - | - |\nChair | much | old\nShelf | 3\n```';
    const found = extracted(schema, answer);
    expect(found.object).toEqual({
      rows: [
        { item: 'Desk', price: 1034.5, note: 'new' },
        { item: 'Lamp', price: null },
        { item: 'Chair', price: null, note: 'old' },
      ],
    });
    expect(problems(found)).toEqual([
      ['rows[2].price', 'much', 'is not one number'],
      ['rows[3]', 'Shelf | 3', 'has 2 cells for 3 columns'],
    ]);
    expect(found.isValid).toBe(true);
  });

  it('says so where a row lacks what is required', () => {
    const schema = object({ rows: { type: 'array', items: object({ item: text }, ['item']) } });
    const found = extracted(schema, 'Desk\n| n/a |');
    expect(found.object).toEqual({ rows: [{ item: 'Desk' }, { item: null }] });
    expect(found.isValid).toBe(false);
    expect(problems(found)).toEqual([['rows[1].item', 'n/a', 'is required, and empty']]);
  });

  it('makes own properties of any name', () => {
    const schema = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"}}}',
    ) as Schema;
    expect(JSON.stringify(extracted(schema, 'a', 'b').object)).toBe('{"__proto__":"a","constructor":"b"}');
  });

  it('wants an answer for each field', () => {
    expect(() => assemble(extractionPlan(object({ a: text })), [])).toThrow('0 answers for 1 fields');
  });
});
