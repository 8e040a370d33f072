import type { RequestJob } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { pastOf, withPast } from './past.attempts.js';

const request: RequestJob = {
  requestId: 'chatcmpl-1',
  tenant: 'acme',
  model: 'reader',
  source: { kind: 'body', fileKey: 'files/f' },
  acceptedAtMs: 0,
};
const attempt = (code: string, fromMs: number, worker = 'w') => ({ worker, fromMs, untilMs: fromMs + 5, code });

it('notes what came to nothing, one after the other', () => {
  const once = withPast(request, attempt('storage_unavailable', 10));
  expect(withPast(once, attempt('engine_crashed', 20))).toEqual({
    ...request,
    past: [
      { worker: 'w', fromMs: 10, untilMs: 15, code: 'storage_unavailable', times: 1 },
      { worker: 'w', fromMs: 20, untilMs: 25, code: 'engine_crashed', times: 1 },
    ],
  });
  expect(request.past).toBeUndefined();
});

it('counts what repeats itself, and stays small whatever happens', () => {
  let noted = request;
  for (let i = 0; i < 1_000; i++) noted = withPast(noted, attempt('budget_unavailable', 10 * i));
  expect(noted.past).toEqual([{ worker: 'w', fromMs: 0, untilMs: 9_995, code: 'budget_unavailable', times: 1_000 }]);
  for (let i = 0; i < 20; i++) noted = withPast(noted, attempt('worker_stopping', 10_000 + 10 * i, `w${i}`));
  expect(noted.past?.map(({ worker }) => worker)).toEqual(['w', ...Array.from({ length: 7 }, (_, i) => `w${13 + i}`)]);
});

it('keeps apart what came to nothing in the two jobs of a request', () => {
  const ended = attempt('storage_unavailable', 10);
  const prepared = withPast(request, { ...ended, stage: 'prepare' });
  const { past } = withPast(prepared, { ...ended, stage: 'generate' });
  expect(past?.map(({ stage, times }) => [stage, times])).toEqual([
    ['prepare', 1],
    ['generate', 1],
  ]);
  expect(pastOf(past, 'prepare', 'generate')).toEqual(past?.slice(0, 1));
  expect(pastOf(past, 'generate', 'generate')).toEqual(past?.slice(1));
  // As earlier versions noted it.
  const { past: unnamed } = withPast(request, ended);
  expect(pastOf(unnamed, 'generate', 'generate')).toEqual(unnamed);
  expect(pastOf(unnamed, 'prepare', 'generate')).toEqual([]);
  expect(pastOf(undefined, 'prepare', 'prepare')).toEqual([]);
});
