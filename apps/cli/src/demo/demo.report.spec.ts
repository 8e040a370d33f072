import { expect, it } from 'vitest';
import type { AnswerRow } from '../batch/batch.results.js';
import { demoReport, type DemoAnswer } from './demo.report.js';

function answer(question: string, expected: string, row: Partial<AnswerRow>): DemoAnswer {
  return {
    question,
    expected,
    file: 'a.pdf',
    modelMs: 500,
    sharedTokens: 100,
    readWith: 2,
    row: {
      answer: '',
      cacheKept: 0.2,
      promptTokens: 1200,
      bytesFull: 10 * 1024,
      bytesKept: 2 * 1024,
      traceId: 't',
      warnings: [],
      error: '',
      ...row,
    },
  };
}

it('judges every answer and compares both rounds', () => {
  const none = { cacheKept: undefined, promptTokens: undefined, bytesFull: undefined, bytesKept: undefined };
  const reduced = [
    answer('What is the total amount of the invoice?', '5', { answer: ' 5\n' }),
    answer('Who?', 'Maria Costa', { answer: 'Nobody that\nis written here' }),
    answer('When?', '1 May', { ...none, error: 'timeout: no answer' }),
  ];
  const full = reduced.map((each) => ({
    ...each,
    row: { ...each.row, answer: each.expected, error: '', bytesFull: 10 * 1024, bytesKept: 10 * 1024 },
  }));
  const text = demoReport(
    { cacheRatio: 0.2, wallMs: 3000, answers: reduced },
    { cacheRatio: 1, wallMs: 4000, answers: full },
  );
  expect(text).toBe(`
question                     answer                     tokens    kept     saved
What is the total amount o…  5                  right    1,200  20.0 %  8.00 KiB
Who?                         Nobody that is w…  wrong    1,200  20.0 %  8.00 KiB
When?                        timeout: no answ…  failed       -       -         -

What would have been right:
  a.pdf: Who? Maria Costa (the full cache answers right)
  a.pdf: When? 1 May
Wrong with the full cache too: 0 of 1; what was evicted was needed.

total                20 % of the cache  100 % of the cache
right                  1 of 3 (33.3 %)    3 of 3 (100.0 %)
prompt tokens                    2,400               2,400
of them shared            300 (12.5 %)        300 (12.5 %)
documents                            1                   1
questions a reading                2.0                 2.0
cache kept                    4.00 KiB            30.0 KiB
cache saved                   26.0 KiB                 0 B
time of the model                1.5 s               1.5 s
time of the batch                3.0 s               4.0 s
`);
});

it.each([
  [
    ['7', '7'],
    ['the full cache answers the same', 'the full cache answers right'],
    'Wrong with the full cache too: 1 of 2; those are the reader’s errors, the others the eviction’s.',
  ],
  [
    ['8', '9'],
    ['the full cache answers something else, wrong too', 'the full cache answers the same'],
    'Wrong with the full cache too: 2 of 2; the reader’s errors, not the eviction’s.',
  ],
])('tells the reader’s errors from those of the eviction: %j', (wrongWithAll, notes, sentence) => {
  const reduced = [
    answer('One?', '1', { answer: '7' }),
    answer('Two?', '2', { answer: wrongWithAll[1] }),
    answer('Three?', '3', { answer: '3' }),
  ];
  const full = [
    answer('One?', '1', { answer: wrongWithAll[0] }),
    answer('Two?', '2', { answer: notes[1].includes('right') ? '2' : wrongWithAll[1] }),
    answer('Three?', '3', { answer: '3' }),
  ];
  const text = demoReport(
    { cacheRatio: 0.2, wallMs: 1, answers: reduced },
    { cacheRatio: 1, wallMs: 1, answers: full },
  );
  expect(text).toContain(
    `What would have been right:\n  a.pdf: One? 1 (${notes[0]})\n  a.pdf: Two? 2 (${notes[1]})\n${sentence}\n`,
  );
});
