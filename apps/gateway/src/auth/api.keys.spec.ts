import { hashApiKey, newApiKey, parseEnvironment } from '@madakv/contracts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySettingsSchema } from '../gateway.settings.js';
import { loadApiKeys, type ApiKeys } from './api.keys.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'madakv-keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

const load = (environment: Record<string, string>): Promise<ApiKeys> =>
  loadApiKeys(parseEnvironment(GatewaySettingsSchema, environment));

async function fileOf(content: string): Promise<string> {
  const path = join(folder, `${Math.random()}.json`);
  await writeFile(path, content);
  return path;
}

describe('keys', () => {
  it('of file and environment name their tenants, and several may name one', async () => {
    const [one, other] = [newApiKey('acme', 'old'), newApiKey('acme')];
    const keys = await load({
      MADAKV_API_KEYS_FILE: await fileOf(JSON.stringify([one.record, other.record])),
      MADAKV_API_KEYS: 'beta:a-key-of-20-characters, gamma: with:colon-and-20-characters',
    });
    expect(keys.callerOf(one.key)?.tenant).toBe('acme');
    expect(keys.callerOf(other.key)?.tenant).toBe('acme');
    expect(keys.callerOf('a-key-of-20-characters')?.tenant).toBe('beta');
    expect(keys.callerOf('with:colon-and-20-characters')?.tenant).toBe('gamma');
    for (const key of ['', 'a-key-of-20-character', one.record.sha256, undefined]) {
      expect(keys.callerOf(key)).toBeUndefined();
    }
  });

  it('may stand in the environment as hashes', async () => {
    const { key, record } = newApiKey('acme');
    expect((await load({ MADAKV_API_KEYS: JSON.stringify([record]) })).callerOf(key)?.tenant).toBe('acme');
  });

  it('are not needed where anyone is served, and a wrong one stays wrong beside right ones', async () => {
    const anyone = await load({ MADAKV_ALLOW_ANONYMOUS: 'true' });
    expect(anyone.callerOf(undefined)?.tenant).toBe('default');
    expect(anyone.callerOf('whatever a client must send')?.tenant).toBe('default');
    const both = await load({ MADAKV_ALLOW_ANONYMOUS: 'true', MADAKV_API_KEYS: 'acme:a-key-of-20-characters' });
    expect(both.callerOf(undefined)?.tenant).toBe('default');
    expect(both.callerOf('a-key-of-20-characters')?.tenant).toBe('acme');
    expect(both.callerOf('another')).toBeUndefined();
  });
});

describe('operators', () => {
  it('are named by their key, or anyone is one where nobody has a key', async () => {
    const [one, other] = [newApiKey('acme', 'ops', { operator: true }), newApiKey('acme')];
    const keys = await load({ MADAKV_API_KEYS: JSON.stringify([one.record, other.record]) });
    expect([one.key, other.key].map((key) => keys.callerOf(key)?.operator)).toEqual([true, false]);
    const some = { MADAKV_ALLOW_ANONYMOUS: 'true', MADAKV_API_KEYS: 'acme:a-key-of-20-characters' };
    expect((await load(some)).callerOf(undefined)?.operator).toBe(false);
    expect((await load({ MADAKV_ALLOW_ANONYMOUS: 'true' })).callerOf(undefined)?.operator).toBe(true);
  });

  it('a session is as good as its key, and ends with it', async () => {
    const { key, record } = newApiKey('acme', 'ops', { operator: true });
    const keys = await load({ MADAKV_API_KEYS: JSON.stringify([record]) });
    expect(keys.sessionCaller(hashApiKey(key))).toEqual({ tenant: 'acme', operator: true, keySha256: record.sha256 });
    expect(keys.sessionCaller(hashApiKey('a key that was taken out'))).toBeUndefined();
    expect(keys.sessionCaller(null)).toBeUndefined();
  });
});

describe('no start', () => {
  const secret = 'very-secret-key-of-a-tenant';
  it.each([
    [{}, 'there are no API keys'],
    [
      { MADAKV_API_KEYS_FILE: '/nowhere/keys.json' },
      'MADAKV_API_KEYS_FILE: /nowhere/keys.json cannot be read (ENOENT)',
    ],
    [{ MADAKV_API_KEYS: 'acme:short' }, 'pair 1 is not tenant:key'],
    [{ MADAKV_API_KEYS: secret }, 'pair 1 is not tenant:key'],
    [{ MADAKV_API_KEYS: `a b:${secret}` }, 'pair 1 is not tenant:key'],
    [{ MADAKV_API_KEYS: `acme:${secret},:${secret}` }, 'pair 2 is not tenant:key'],
    [{ MADAKV_API_KEYS: `[${secret}` }, 'MADAKV_API_KEYS: expected JSON'],
    [{ MADAKV_API_KEYS: JSON.stringify([{ tenant: 'acme', sha256: secret }]) }, '0.sha256: expected 64 hexadecimal'],
  ])('with %j', async (environment: Record<string, string>, message) => {
    const refused = load(environment);
    await expect(refused).rejects.toMatchObject({ name: 'SettingsError' });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(secret);
  });

  it('hashes are of the whole key', () => {
    expect(hashApiKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
