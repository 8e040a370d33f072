import { DEFAULT_DOCUMENT_LIMITS, DEFAULT_IMAGE_LIMITS } from '@madakv/documents';
import {
  ERRORS,
  IGNORED_KEYS,
  MAX_BATCH_BYTES,
  MAX_BATCH_LINES,
  OBEYED_KEYS,
  parseEnvironment,
  settingsTable,
  SettingsError,
  UNSUPPORTED_KEYS,
} from '@madakv/contracts';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GatewaySettingsSchema } from './gateway.settings.js';

const page = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');
const section = (name: string): string =>
  new RegExp(`<!-- ${name} -->\\n([^]*?)<!-- /${name} -->`).exec(page)?.[1] ?? '';
/** The formatter pads columns. */
const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');

describe('settings', () => {
  it('has a default for everything', () => {
    expect(parseEnvironment(GatewaySettingsSchema, {})).toMatchObject({
      MADAKV_GATEWAY_PORT: 8080,
      MADAKV_ALLOW_ANONYMOUS: 'false',
      MADAKV_GATEWAY_CORS_ORIGINS: [],
    });
  });

  it.each([
    ['MADAKV_GATEWAY_HOST', 'a b'],
    ['MADAKV_ALLOW_ANONYMOUS', 'yes'],
    ['MADAKV_GATEWAY_MAX_BODY_BYTES', '64MB'],
    ['MADAKV_GATEWAY_CORS_ORIGINS', '["app.example"]'],
    ['MADAKV_GATEWAY_LIMITS', '{"requestsPerMinute":0}'],
    ['MADAKV_GATEWAY_LIMITS', '{"storedBites":1}'],
    ['MADAKV_GATEWAY_TENANT_LIMITS', '{"a b":{}}'],
  ])('refuses %s=%s', (name, value) => {
    const read = (): unknown => parseEnvironment(GatewaySettingsSchema, { [name]: value });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(`${name}: expected `);
  });
});

describe('docs/api.md', () => {
  it('has the settings as they are', () => {
    expect(plain(section('settings'))).toBe(plain(settingsTable(GatewaySettingsSchema)));
  });

  it('has every error, with its status and whether to try again', () => {
    const rows = [...section('errors').matchAll(/^\| `(\w+)` *\| (\d+) *\| (yes|no) /gm)];
    expect(rows.map(([, code, status, again]) => [code, Number(status), again === 'yes'])).toEqual(
      Object.entries(ERRORS).map(([code, { status, retryable }]) => [code, status, retryable]),
    );
  });

  it('names every key of a chat completion, and what becomes of it', () => {
    const refused = new Map(
      [...section('refused').matchAll(/^\| (`.*`) +\| (.*?) +\|$/gm)].flatMap(([, keys, nothing]) =>
        [...keys.matchAll(/`(\w+)`/g)].map(([, key]) => [key, nothing] as const),
      ),
    );
    expect(Object.fromEntries(refused)).toEqual(
      Object.fromEntries(Object.entries(UNSUPPORTED_KEYS).map(([key, { nothing }]) => [key, nothing])),
    );
    const keys = page.slice(page.indexOf('### Keys of a chat completion'), page.indexOf('### `madakv`'));
    for (const key of [...OBEYED_KEYS, ...IGNORED_KEYS]) expect(keys).toMatch(new RegExp(`\`${key}\\b`));
  });

  it('states the limits that are in force', () => {
    const { maxDocumentBytes } = DEFAULT_DOCUMENT_LIMITS;
    for (const limit of [MAX_BATCH_BYTES, MAX_BATCH_LINES, maxDocumentBytes, DEFAULT_IMAGE_LIMITS.maxImageBytes]) {
      expect(page).toContain(limit.toLocaleString('en'));
    }
  });
});
