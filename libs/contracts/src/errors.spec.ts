import { expect, it } from 'vitest';
import { ERRORS, errorTrail, MadakvError } from './errors.js';

it('an error knows its status and whether it may pass', () => {
  const error = new MadakvError('budget_unavailable', 'no answer', { cause: 'x' });
  expect([error.httpStatus, error.retryable, error.message, error.cause]).toEqual([503, true, 'no answer', 'x']);
});

it('what is retried is never the caller’s fault', () => {
  for (const { status, retryable } of Object.values(ERRORS)) {
    expect(status).toBeGreaterThanOrEqual(400);
    // A line that broke down may hold the next time.
    if (retryable && status !== 408) expect(status).toBeGreaterThanOrEqual(429);
  }
});

it('a trail names errors, their causes and their places, and quotes nobody', () => {
  let cause: unknown;
  try {
    JSON.parse('The secret letter');
  } catch (error) {
    cause = error;
  }
  expect(String(cause)).toContain('secret');
  const trail = errorTrail(new MadakvError('internal_error', 'the request failed', { cause }));
  expect(trail).toMatch(/^MadakvError internal_error: the request failed\n\s+at /);
  expect(trail).toMatch(/\ncaused by SyntaxError\n\s+at /);
  expect(trail).not.toContain('secret');
  expect(errorTrail('The secret letter')).toBe('a thrown string');
});
