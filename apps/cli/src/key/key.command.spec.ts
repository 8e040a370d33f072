import { ApiKeyFileSchema, hashApiKey } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { captureRun } from '../captured.run.js';

it('prints a key and the record that the gateway knows it by', async () => {
  const { code, stdout } = await captureRun(['key', 'create', '--tenant', 'acme', '--name', 'ci']);
  expect(code).toBe(0);
  const [key, record] = stdout.trim().split('\n');
  expect(ApiKeyFileSchema.parse([JSON.parse(record)])).toEqual([
    { tenant: 'acme', sha256: hashApiKey(key), name: 'ci' },
  ]);
  expect(record).not.toContain(key);
});

it('makes an operator of whom it is told to', async () => {
  const { stdout } = await captureRun(['key', 'create', '--tenant', 'ops', '--operator']);
  const [key, record] = stdout.trim().split('\n');
  expect(JSON.parse(record)).toEqual({ tenant: 'ops', sha256: hashApiKey(key), operator: true });
});

it('refuses a tenant that could not be part of a key', async () => {
  const { code, stderr } = await captureRun(['key', 'create', '--tenant', 'a b']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('1 to 64 letters') as string });
});
