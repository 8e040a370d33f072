import { readFileSync } from 'node:fs';
import { parseEnvironment, settingsTable, SettingsError } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import {
  deviceIdOf,
  engineSettingsOf,
  GROUPED_REQUESTS,
  modelIdOf,
  rolesOf,
  workerIdOf,
  WorkerSettingsSchema,
} from './worker.settings.js';

const read = (environment: Record<string, string>) => parseEnvironment(WorkerSettingsSchema, environment);

describe('settings', () => {
  it('need no more than a model', () => {
    const settings = read({ MADAKV_MODEL: 'models/madakv-reader/' });
    expect([...rolesOf(settings)]).toEqual(['batch', 'prepare', 'generate']);
    expect(modelIdOf(settings)).toBe('madakv-reader');
    expect(workerIdOf(settings)).toMatch(/^[A-Za-z0-9._-]+:\d+$/);
    expect(deviceIdOf(settings)).toMatch(/:cpu$/);
    expect(engineSettingsOf(settings)).toEqual({
      modelDir: 'models/madakv-reader/',
      provider: 'cpu',
      threads: 0,
      weights: { kind: 'fp32' },
      kvCache: 'fp32',
      maxSequences: 8 + GROUPED_REQUESTS,
      maxGroup: 64,
    });
  });

  it('need no model for batches alone', () => {
    expect([...rolesOf(read({ MADAKV_WORKER_ROLES: 'batch' }))]).toEqual(['batch']);
    expect(() => read({})).toThrow('MADAKV_MODEL: expected the folder of a checkpoint');
  });

  it('name the precision of the weights', () => {
    const settings = (environment: Record<string, string>) =>
      engineSettingsOf(read({ MADAKV_MODEL: 'm', ...environment }));
    expect(settings({ MADAKV_QUANT: 'w8a8' }).weights).toEqual({ kind: 'w8a8' });
    expect(settings({ MADAKV_QUANT: '4', MADAKV_QUANT_BLOCK: '32' }).weights).toEqual({
      kind: 'int',
      bits: 4,
      blockSize: 32,
    });
    expect(settings({ MADAKV_PROVIDER: 'webgpu', MADAKV_PRECISION: 'fp16' }).precision).toBe('fp16');
    expect(settings({ MADAKV_PROVIDER: 'webgpu' }).precision).toBeUndefined();
  });

  it('say how much may be resident', () => {
    const bytes = (value: string) =>
      engineSettingsOf(read({ MADAKV_MODEL: 'm', MADAKV_RESIDENT_BYTES: value })).residentBytes;
    expect([bytes(''), bytes('0'), bytes('1000')]).toEqual([undefined, 0, 1_000]);
  });

  it.each([
    ['MADAKV_WORKER_ROLES', 'generate,'],
    ['MADAKV_MODEL_ID', '.hidden'],
    ['MADAKV_PROVIDER', 'tpu'],
    ['MADAKV_DEVICE_ID', 'a b'],
    ['MADAKV_DEVICE_CAPACITY_BYTES', '2GB'],
    ['MADAKV_RESIDENT_BYTES', '1GB'],
    ['MADAKV_LOCK_MS', '1'],
    ['MADAKV_ALLOW_VOLATILE_REDIS', 'yes'],
  ])('refuse %s=%s', (name, value) => {
    const bad = (): unknown => read({ MADAKV_MODEL: 'm', [name]: value });
    expect(bad).toThrow(SettingsError);
    expect(bad).toThrow(`${name}: expected `);
  });

  it('refuse what does not go together', () => {
    expect(() => read({ MADAKV_MODEL: 'm', MADAKV_PROVIDER: 'webgpu', MADAKV_KV_CACHE: 'int8' })).toThrow(
      'MADAKV_KV_CACHE: expected fp32, as int8 is for the cpu provider, got "int8"',
    );
    expect(() => read({ MADAKV_MODEL: 'm', MADAKV_PRECISION: 'fp16' })).toThrow(
      'MADAKV_PRECISION: expected fp32, as fp16 is for the webgpu provider, got "fp16"',
    );
    const resident = { MADAKV_MODEL: 'm', MADAKV_PROVIDER: 'webgpu' };
    expect(() => read({ ...resident, MADAKV_RESIDENT_BYTES: '1000' })).toThrow(
      'MADAKV_RESIDENT_BYTES: expected 0, as documents are not kept in the memory of a GPU, got "1000"',
    );
    expect(engineSettingsOf(read({ ...resident, MADAKV_RESIDENT_BYTES: '0' })).residentBytes).toBe(0);
    expect(() => read({ MADAKV_MODEL: '/models/my model' })).toThrow('MADAKV_MODEL_ID: expected a name for this model');
  });

  it('are what docs/worker.md says', () => {
    const page = readFileSync(new URL('../../../docs/worker.md', import.meta.url), 'utf8');
    const [, table = ''] = /<!-- settings -->\n([^]*?)<!-- \/settings -->/.exec(page) ?? [];
    // The formatter pads columns.
    const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');
    expect(plain(table)).toBe(plain(settingsTable(WorkerSettingsSchema)));
  });
});
