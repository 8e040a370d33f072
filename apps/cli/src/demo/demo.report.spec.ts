import { expect, it } from 'vitest';
import type { AnswerRow } from '../batch/batch.results.js';
import { demoReport, type DemoAnswer } from './demo.report.js';

function answer(question: string, expected: string, row: Partial<AnswerRow>): DemoAnswer {
  return {
    question,
    expected,
    file: 'a.pdf',
    modelMs: 500,
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
  a.pdf: Who? Maria Costa
  a.pdf: When? 1 May

total              20 % of the cache  100 % of the cache
right                1 of 3 (33.3 %)    3 of 3 (100.0 %)
prompt tokens                  2,400               2,400
cache kept                  4.00 KiB            30.0 KiB
cache saved                 26.0 KiB                 0 B
time of the model              1.5 s               1.5 s
time of the batch              3.0 s               4.0 s
`);
});
