import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ANSWER_TOKENS, EXTRACTION_LIMITS } from './extraction.plan.js';
import { INSTRUCTION } from './field.question.js';

const page = readFileSync(new URL('../../../docs/extraction.md', import.meta.url), 'utf8');
const rows = page.split('\n').map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));

it.each([
  ['Questions about a document', EXTRACTION_LIMITS.fields],
  ['Columns of a table', EXTRACTION_LIMITS.columns],
  ['Values of an `enum`', EXTRACTION_LIMITS.choices],
  ['Characters of a question', EXTRACTION_LIMITS.questionCharacters],
  ['Objects within objects', EXTRACTION_LIMITS.depth],
])('docs/extraction.md has the limit "%s"', (name, limit) => {
  const values = rows.filter((cells) => cells.at(1)?.startsWith(name)).map((cells) => cells[2]);
  expect(values).toEqual([limit.toLocaleString('en')]);
});

it('docs/extraction.md has the tokens of answers, and what is said to the model', () => {
  const { value, text, list, table } = ANSWER_TOKENS;
  const tokens = [value, text, list, table].map((limit) => limit.toLocaleString('en')).join('; ');
  expect(rows.find((cells) => cells.at(1)?.startsWith('Tokens of an answer'))?.[2]).toBe(tokens);
  expect(page).toContain(`\`${INSTRUCTION}\``);
});
