import { describe, expect, it } from 'vitest';
import { helpAsInvoked, invocation, shellWord } from './invocation.js';

describe('invocation', () => {
  it('is the bare program where that was called', () => {
    expect(invocation('up', {})).toBe('madakv up');
    expect(invocation('up', { npm_command: 'run-script' })).toBe('madakv up');
  });

  it('goes through npx where the program was called so', () => {
    expect(invocation('trace 1', { npm_command: 'exec' })).toBe('npx madakv trace 1');
  });
});

describe('helpAsInvoked', () => {
  const help = [
    'Usage: madakv up [options]',
    'default: the one that `madakv',
    'up` runs; madakv itself stays',
    '  madakv up',
    '  MADAKV_DATA=/x madakv up',
    "  echo '{}' | madakv generate",
  ].join('\n');

  it('leaves the bare program', () => {
    expect(helpAsInvoked(help, {})).toBe(help);
  });

  it('names npx where the program was called so', () => {
    expect(helpAsInvoked(help, { npm_command: 'exec' }).split('\n')).toEqual([
      'Usage: npx madakv up [options]',
      'default: the one that `npx madakv',
      'up` runs; madakv itself stays',
      '  npx madakv up',
      '  MADAKV_DATA=/x npx madakv up',
      "  echo '{}' | npx madakv generate",
    ]);
  });
});

it.each([
  ['a.pdf', 'a.pdf'],
  ['http://127.0.0.1:8000', 'http://127.0.0.1:8000'],
  ['my file.pdf', "'my file.pdf'"],
  ["it's", `'it'\\''s'`],
  ['$x', "'$x'"],
])('writes %s for a shell', (text, word) => {
  expect(shellWord(text)).toBe(word);
});
