import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  json,
  milliseconds,
  parseEnvironment,
  settingsTable,
  SettingsError,
  text,
  wholeNumber,
} from './environment.js';

const schema = z.object({
  PORT: wholeNumber({ min: 0, max: 65_535, default: 50_051, about: 'Where it listens.' }),
  TTL: milliseconds({ min: 10, default: 30_000, about: 'How long.' }),
  URL: text({
    schema: z.url({ protocol: /^redis$/ }),
    default: 'redis://localhost',
    expected: 'a redis:// URL',
    about: 'Where Redis is.',
  }),
  SHARES: json({
    schema: z.record(z.string(), z.number()),
    default: {},
    expected: 'a JSON object of numbers',
    about: 'Who gets what.',
  }),
});

describe('parseEnvironment', () => {
  it('takes defaults for what is unset or empty', () => {
    const defaults = { PORT: 50_051, TTL: 30_000, URL: 'redis://localhost', SHARES: {} };
    expect(parseEnvironment(schema, {})).toEqual(defaults);
    expect(parseEnvironment(schema, { PORT: '', SHARES: '', OTHER: 'x' })).toEqual(defaults);
  });

  it('reads what is set', () => {
    expect(parseEnvironment(schema, { PORT: '0', TTL: '10', URL: 'redis://r:1', SHARES: '{"a":0.5}' })).toEqual({
      PORT: 0,
      TTL: 10,
      URL: 'redis://r:1',
      SHARES: { a: 0.5 },
    });
  });

  it.each([
    ['PORT', '65536', 'a whole number from 0 to 65535'],
    ['PORT', '-1', 'a whole number from 0 to 65535'],
    ['PORT', '1.5', 'a whole number from 0 to 65535'],
    ['TTL', 'soon', 'a whole number from 10 to 86400000'],
    ['URL', 'http://r', 'a redis:// URL'],
    ['SHARES', '{"a":', 'a JSON object of numbers'],
    ['SHARES', '{"a":"b"}', 'a JSON object of numbers'],
  ])('%s=%s is refused with what was expected', (name, value, expected) => {
    const read = (): unknown => parseEnvironment(schema, { [name]: value });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(`${name}: expected ${expected}, got ${JSON.stringify(value)}`);
  });

  it('does not repeat what may have a password in it', () => {
    const secret = z.object({
      URL: text({
        schema: z.url({ protocol: /^redis$/ }),
        default: 'redis://localhost',
        expected: 'a redis:// URL',
        about: 'Where Redis is.',
        isSecret: true,
      }),
    });
    const read = (): unknown => parseEnvironment(secret, { URL: 'redis://:pa/ss@redis:6379' });
    expect(read).toThrow('URL: expected a redis:// URL, got something else, which is not shown');
    expect(read).not.toThrow('pa/ss');
  });

  it('names every bad variable at once', () => {
    expect(() => parseEnvironment(schema, { PORT: 'x', TTL: 'y' })).toThrow(/PORT: .*\nTTL: /);
  });
});

it('settingsTable has a row a variable', () => {
  expect(settingsTable(schema).split('\n')).toEqual([
    '| Variable | Default | Meaning |',
    '| --- | --- | --- |',
    '| `PORT` | `50051` | Where it listens. Expects a whole number from 0 to 65535. |',
    '| `TTL` | `30000` | How long. Expects a whole number from 10 to 86400000. |',
    '| `URL` | `redis://localhost` | Where Redis is. Expects a redis:// URL. |',
    '| `SHARES` | `{}` | Who gets what. Expects a JSON object of numbers. |',
  ]);
});
