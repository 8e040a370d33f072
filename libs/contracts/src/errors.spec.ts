import { expect, it } from 'vitest';
import { ERRORS, MadakvError } from './errors.js';

it('an error knows its status and whether it may pass', () => {
  const error = new MadakvError('budget_unavailable', 'no answer', { cause: 'x' });
  expect([error.httpStatus, error.retryable, error.message, error.cause]).toEqual([503, true, 'no answer', 'x']);
});

it('what is retried is never the caller’s fault', () => {
  for (const { status, retryable } of Object.values(ERRORS)) {
    expect(status).toBeGreaterThanOrEqual(400);
    if (retryable) expect(status).toBeGreaterThanOrEqual(429);
  }
});
