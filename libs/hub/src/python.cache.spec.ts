import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { startFakeHub, type FakeHub, type FakeHubRequest } from '@madakv/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedModels } from './cached.models.js';
import { parseReference } from './model.reference.js';
import { pullModel } from './pull.js';

/** A Python that has the package; MADAKV_TEST_PYTHON names one that is not on the path. */
const python = [process.env['MADAKV_TEST_PYTHON'] ?? '', 'python3'].find(
  (name) => name !== '' && spawnSync(name, ['-c', 'import huggingface_hub'], { timeout: 60_000 }).status === 0,
);
const why = python === undefined ? ' (skipped: no python3 here has the package huggingface_hub)' : '';

describe.skipIf(python === undefined)(`the cache of the Python package${why}`, () => {
  const FILES = {
    'config.json': '{"model_type":"llava"}',
    'tokenizer.json': '{}',
    'model.safetensors': Buffer.alloc(50_000, 'w'),
  };
  const work = mkdtempSync(join(tmpdir(), 'madakv-python-'));
  let hub: FakeHub;
  beforeAll(async () => {
    hub = await startFakeHub();
  });
  afterAll(async () => {
    await hub.stop();
    rmSync(work, { recursive: true });
  });

  /** Runs `snapshot_download` in a process of its own. */
  async function snapshotDownload(cacheDir: string, more = ''): Promise<string> {
    const code = `from huggingface_hub import snapshot_download; print(snapshot_download('org/model'${more}))`;
    const environment = {
      PATH: process.env['PATH'],
      HOME: work,
      HF_ENDPOINT: hub.url,
      HF_HUB_CACHE: cacheDir,
      HF_HUB_DISABLE_XET: '1',
    };
    const { stdout } = await promisify(execFile)(python ?? '', ['-c', code], { env: environment, timeout: 60_000 });
    return stdout.trim();
  }
  const layout = (cacheDir: string): object => {
    const [{ dir, repo, commit, revisions }] = cachedModels({ cacheDir });
    return {
      repo,
      commit,
      revisions,
      links: readdirSync(dir)
        .sort()
        .map((name) => [name, readlinkSync(join(dir, name))]),
    };
  };

  it('reads what was pulled here, writes the same, and its own is used here', async () => {
    const commit = hub.commit('org/model', FILES);
    const settings = (cacheDir: string) => ({ endpoint: hub.url, cacheDir, offline: false });
    const [ours, theirs] = [join(work, 'ours'), join(work, 'theirs')];
    const pulled = await pullModel(parseReference('org/model'), settings(ours));
    (hub.requests as FakeHubRequest[]).length = 0;
    expect(await snapshotDownload(ours, ', local_files_only=True')).toBe(pulled.dir);
    expect(hub.requests).toEqual([]);
    expect(basename(await snapshotDownload(ours))).toBe(commit);
    expect(hub.requests.filter(({ method, url }) => method === 'GET' && !url.startsWith('/api/'))).toEqual([]);
    await snapshotDownload(theirs);
    expect(layout(theirs)).toEqual(layout(ours));
    (hub.requests as FakeHubRequest[]).length = 0;
    const used = { cachedWillDo: true };
    expect(await pullModel(parseReference('org/model'), settings(theirs), used)).toMatchObject({
      commit,
      fetchedBytes: 0,
    });
    expect(hub.requests).toEqual([]);
    expect(await pullModel(parseReference('org/model'), settings(theirs))).toMatchObject({ commit, fetchedBytes: 0 });
  });
});
