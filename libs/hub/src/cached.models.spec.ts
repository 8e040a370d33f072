import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeHub, type FakeHub } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { cachedModels, freedBytes, removeCachedModel } from './cached.models.js';
import type { HubSettings } from './hub.settings.js';
import { parseReference } from './model.reference.js';
import { pullModel } from './pull.js';

const WEIGHTS = Buffer.alloc(10_000, 'w');
const CONFIG = '{"model_type":"llava"}';
const model = (config = CONFIG) => ({ 'config.json': config, 'tokenizer.json': '{}', 'model.safetensors': WEIGHTS });

let hub: FakeHub;
let settings: HubSettings;
let work: string;
beforeAll(async () => {
  hub = await startFakeHub();
});
afterAll(() => hub.stop());
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-cached-'));
  settings = { endpoint: hub.url, cacheDir: join(work, 'hub'), offline: false };
});
afterEach(() => {
  hub.fault = () => undefined;
  rmSync(work, { recursive: true });
});
const pull = (name: string) => pullModel(parseReference(name), settings, { pauseMs: () => 0 });

it('lists snapshots with what they share, and removes what only one of them has', async () => {
  const first = hub.commit('org/model', model());
  await pull('org/model');
  const second = hub.commit('org/model', model('{"model_type":"llava","a":1}'), 'release/v2');
  await pull('org/model@release/v2');
  const listed = cachedModels(settings);
  expect(
    listed.map(({ commit, revisions, modelType, complete }) => ({ commit, revisions, modelType, complete })),
  ).toEqual(
    [
      { commit: first, revisions: ['main'], modelType: 'llava', complete: true },
      { commit: second, revisions: ['release/v2'], modelType: 'llava', complete: true },
    ].sort((a, b) => a.commit.localeCompare(b.commit)),
  );
  const [old, young] = [first, second].map((commit) => listed.filter((each) => each.commit === commit));
  expect(old[0].bytes).toBe(WEIGHTS.length + CONFIG.length + 2);
  expect(freedBytes(settings, old)).toBe(CONFIG.length);
  expect(freedBytes(settings, listed)).toBe(old[0].bytes + young[0].bytes - WEIGHTS.length - 2);
  await removeCachedModel(settings, old[0]);
  expect(cachedModels(settings)).toMatchObject([{ commit: second }]);
  expect(readdirSync(join(work, 'hub', 'models--org--model', 'blobs'))).toHaveLength(3);
  await removeCachedModel(settings, young[0]);
  expect(cachedModels(settings)).toEqual([]);
  expect(readdirSync(join(work, 'hub')).filter((name) => !name.startsWith('.'))).toEqual([]);
});

it('shows what a broken pull left, and removes it', async () => {
  hub.commit('org/broken', model());
  hub.fault = ({ url, range }) =>
    url.startsWith('/cdn/') ? { kind: 'break', afterBytes: range === undefined ? 4_000 : 0 } : undefined;
  await expect(pull('org/broken')).rejects.toThrow('cannot be reached');
  const listed = cachedModels(settings);
  expect(listed).toMatchObject([{ complete: false, revisions: [], bytes: 4_000 + CONFIG.length + 2 }]);
  expect(freedBytes(settings, listed)).toBe(listed[0].bytes);
  await removeCachedModel(settings, listed[0]);
  expect(existsSync(join(work, 'hub', 'models--org--broken'))).toBe(false);
});

it('leaves what is not of this layout, or someone else’s', async () => {
  hub.commit('org/model', model());
  await pull('org/model');
  const dir = join(work, 'hub', 'models--org--model');
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  mkdirSync(join(work, 'hub', 'datasets--org--data', 'snapshots', 'x'), { recursive: true });
  const elsewhere = join(work, 'elsewhere');
  mkdirSync(join(elsewhere, 'snapshots', 'x'), { recursive: true });
  symlinkSync(elsewhere, join(work, 'hub', 'models--org--link'));
  const listed = cachedModels(settings);
  expect(listed).toHaveLength(1);
  await removeCachedModel(settings, listed[0]);
  expect(readdirSync(dir)).toEqual(['notes.txt']);
  expect(existsSync(join(elsewhere, 'snapshots', 'x'))).toBe(true);
  expect(cachedModels({ cacheDir: join(work, 'none') })).toEqual([]);
});
