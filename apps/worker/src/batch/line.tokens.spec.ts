import { fieldTokens } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { lineTokens } from './line.tokens.js';
import { SchemaFields } from './schema.fields.js';

const model = 'reader';
const uploads = { factsOf: () => Promise.resolve(undefined) };

function extraction(properties: object): { model: string; body: Record<string, unknown> } {
  const response_format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', properties } } };
  const messages = [{ role: 'user', content: 'x'.repeat(400) }];
  return { model, body: { model, messages, response_format, madakv: { extract: true } } };
}

it('compiles a schema once, whatever many lines have it', async () => {
  let compiled = 0;
  const schemas = new SchemaFields((schema) => {
    compiled++;
    return fieldTokens(schema);
  });
  const tokensOf = lineTokens([{ id: model, maxPositions: 4_096 }], uploads, schemas);
  for (let i = 0; i < 1_000; i++) {
    const { body } = extraction({ total: { type: 'number' }, date: { type: 'string' } });
    expect(await tokensOf({ model, body: { ...body, max_tokens: 10 + (i % 2) } })).toBe(2 * (110 + (i % 2)));
  }
  expect(compiled).toBe(1);
  // The second pass over the file asks again, and other schemas are others.
  await lineTokens([], uploads, schemas)(extraction({ total: { type: 'number' }, date: { type: 'string' } }));
  expect(await tokensOf(extraction({ total: { type: 'number' } }))).toBe(100 + 64);
  expect(compiled).toBe(2);
});

it('remembers that a schema is refused, too', async () => {
  let compiled = 0;
  const schemas = new SchemaFields((schema) => {
    compiled++;
    return fieldTokens(schema);
  });
  const tokensOf = lineTokens([], uploads, schemas);
  for (let i = 0; i < 2; i++) expect(await tokensOf(extraction({ a: { type: 'colour' } }))).toBe(100 + 256);
  expect(compiled).toBe(1);
});
