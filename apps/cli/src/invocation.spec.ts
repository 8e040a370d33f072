import { describe, expect, it } from 'vitest';
import { invocation } from './invocation.js';

describe('invocation', () => {
  it('is the bare program where that was called', () => {
    expect(invocation('up', {})).toBe('madakv up');
    expect(invocation('up', { npm_command: 'run-script' })).toBe('madakv up');
  });

  it('goes through npx where the program was called so', () => {
    expect(invocation('trace 1', { npm_command: 'exec' })).toBe('npx madakv trace 1');
  });
});
