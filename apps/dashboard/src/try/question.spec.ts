import { expect, it } from 'vitest';
import { bodyOf, firstDifference } from './question.js';

it.each([
  ['£1,246.32', '£1,246.32', undefined],
  ['the total is 5', 'the total was 5', { word: 3, at: 9 }],
  ['a b', 'a b c', { word: 3, at: 3 }],
  ['', 'x', { word: 1, at: 0 }],
])('%j and %j differ at %j', (a, b, difference) => {
  expect(firstDifference(a, b)).toEqual(difference);
});

it('asks about the document first, or for the object of a schema', () => {
  const question = { model: 'm', text: 'Total?', policy: 'madakv', ratio: 0.2 };
  expect(bodyOf(question, 'file-1')).toEqual({
    model: 'm',
    max_completion_tokens: 256,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'file', file: { file_id: 'file-1' } },
          { type: 'text', text: 'Total?' },
        ],
      },
    ],
    madakv: { policy: 'madakv', cache_ratio: 0.2 },
  });
  expect(bodyOf({ ...question, text: ' ', schema: { type: 'object' } }, 'file-1')).toMatchObject({
    response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } },
    madakv: { extract: true },
    messages: [{ content: [{ type: 'file' }] }],
  });
});
