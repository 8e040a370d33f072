import { describe, expect, it } from 'vitest';
import { isRoutine, lastWords, readableLine } from './log.line.js';

const json = (object: object): string => JSON.stringify({ level: 'log', pid: 7, ...object });

describe('readableLine', () => {
  it('makes one short line of an object: who, level, context, message, figures', () => {
    const text = json({ level: 'warn', context: 'Redis', message: { message: 'slow', ms: 12, why: 'a b' } });
    expect(readableLine({ source: 'gateway', text }, false)).toBe('         gateway  warn Redis: slow ms=12 why="a b"');
  });

  it('tells the time of day', () => {
    const text = json({ timestamp: Date.UTC(2026, 0, 1), message: 'x' });
    expect(readableLine({ source: 'budget', text }, false)).toMatch(/^\d\d:\d\d:\d\d budget {3}x$/);
  });

  it('reads what Redis writes', () => {
    const text = '123:M 22 Nov 2026 16:48:41.123 * Ready to accept connections';
    expect(readableLine({ source: 'redis', text }, false)).toBe('16:48:41 redis    Ready to accept connections');
    const warning = '123:M 22 Nov 2026 16:48:41.123 # WARNING Memory overcommit';
    expect(readableLine({ source: 'redis', text: warning }, true)).toContain('\x1b[33mwarn WARNING Memory');
  });

  it.each(['{"half', 'plain words', '[1]'])('leaves %s as it is', (text) => {
    expect(readableLine({ source: 'gateway', text }, false)).toBe(`         gateway  ${text}`);
  });
});

describe('lastWords', () => {
  const fine = json({ message: 'all is well', timestamp: 1 });
  it('prefers errors, then what is no log line, then the last line', () => {
    const error = json({ level: 'error', message: 'no Redis', timestamp: 1 });
    expect(lastWords([fine, error, 'at file.js:1', fine], 3)).toBe('no Redis');
    expect(lastWords([fine, 'PORT: expected a number', '  at file.js:1', '  at b.js', fine], 2)).toBe(
      'PORT: expected a number | at file.js:1',
    );
    expect(lastWords([fine, fine], 3)).toBe('all is well');
  });
});

it.each([
  [json({ context: 'InstanceLoader', message: 'AppModule dependencies initialized' }), true],
  [json({ context: 'InstanceLoader', message: 'slow', level: 'warn' }), false],
  [json({ context: 'Gateway', message: 'listening' }), false],
  ['1:M 22 Nov 2026 16:48:41.123 * Ready to accept connections', true],
  ['1:signal-handler (1795369644) Received SIGTERM scheduling shutdown...', true],
  ['1:M 22 Nov 2026 16:48:41.123 # WARNING Memory overcommit', false],
  ['Error: something', false],
])('isRoutine %s: %s', (text, expected) => {
  expect(isRoutine({ source: 'x', text })).toBe(expected);
});
