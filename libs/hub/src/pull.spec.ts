import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeHub, type FakeFiles, type FakeHub, type FakeHubRequest } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HubSettings } from './hub.settings.js';
import { parseReference } from './model.reference.js';
import { pullModel, type PullOptions } from './pull.js';
import { cachedSnapshot } from './snapshot.store.js';

const WEIGHTS = Buffer.alloc(300_000, 'weights ');
const MODEL: FakeFiles = {
  'config.json': '{"model_type":"llava"}',
  'tokenizer.json': '{}',
  'model.safetensors': WEIGHTS,
  'README.md': 'not needed',
  'pytorch_model.bin': 'not needed',
  'model-Q4.gguf': 'not needed',
  'onnx/model.onnx': 'not needed',
  'original/model.safetensors': 'not needed',
};
/** Whether a request is for a file of weights, on the host that it is redirected to. */
const forWeights = ({ url }: FakeHubRequest): boolean => url.startsWith('/cdn/');

let hub: FakeHub;
let work: string;
beforeAll(async () => {
  hub = await startFakeHub();
});
afterAll(() => hub.stop());
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-hub-'));
  (hub.requests as FakeHubRequest[]).length = 0;
});
afterEach(() => {
  hub.fault = () => undefined;
  hub.before = () => Promise.resolve();
  rmSync(work, { recursive: true });
});

const settings = (more: Partial<HubSettings> = {}): HubSettings => ({
  endpoint: hub.url,
  cacheDir: join(work, 'hub'),
  offline: false,
  ...more,
});
const pull = (name: string, options: PullOptions = {}, more: Partial<HubSettings> = {}) =>
  pullModel(parseReference(name), settings(more), { pauseMs: () => 0, ...options });
const folder = (repo: string, ...parts: string[]): string =>
  join(work, 'hub', `models--${repo.replace('/', '--')}`, ...parts);

it('brings what a checkpoint needs, in the layout of the Python tools', async () => {
  const commit = hub.commit('org/plain', MODEL);
  const progress: number[] = [];
  const { dir, ...rest } = await pull('org/plain', { onProgress: ({ doneBytes }) => progress.push(doneBytes) });
  expect(dir).toBe(folder('org/plain', 'snapshots', commit));
  const needed = ['config.json', 'model.safetensors', 'tokenizer.json'];
  expect(readdirSync(dir).sort()).toEqual(needed);
  expect(rest).toEqual({
    commit,
    fetchedBytes: needed.reduce((sum, file) => sum + Buffer.from(MODEL[file]).length, 0),
  });
  expect(readFileSync(join(dir, 'model.safetensors'))).toEqual(WEIGHTS);
  expect(readFileSync(folder('org/plain', 'refs', 'main'), 'utf8')).toBe(commit);
  for (const file of needed)
    expect(readlinkSync(join(dir, file))).toMatch(/^\.\.\/\.\.\/blobs\/([0-9a-f]{40}|[0-9a-f]{64})$/);
  expect(readdirSync(folder('org/plain', 'blobs'))).toHaveLength(needed.length);
  expect(readdirSync(join(work, 'hub', '.locks', 'models--org--plain'))).toEqual([]);
  expect(progress.at(-1)).toBe(WEIGHTS.length);
});

it('fetches nothing twice, and of a newer commit only what is new', async () => {
  const before = hub.commit('org/twice', MODEL);
  await pull('org/twice');
  expect((await pull('org/twice')).fetchedBytes).toBe(0);
  const config = '{"model_type":"llava","new":1}';
  const after = hub.commit('org/twice', { ...MODEL, 'config.json': config });
  expect(await pull('org/twice', { cachedWillDo: true })).toMatchObject({ commit: before, fetchedBytes: 0 });
  expect(await pull('org/twice')).toMatchObject({ commit: after, fetchedBytes: config.length });
  expect(await pull(`org/twice@${before}`, {}, { endpoint: 'http://127.0.0.1:1', offline: true })).toMatchObject({
    commit: before,
  });
});

it('fetches once what several files are', async () => {
  const same = '{"size":336}';
  const commit = hub.commit('org/same', {
    ...MODEL,
    'preprocessor_config.json': same,
    'processor_config.json': same,
    'generation_config.json': '{}',
  });
  const { dir, fetchedBytes } = await pull('org/same');
  expect(dir).toBe(folder('org/same', 'snapshots', commit));
  for (const file of ['preprocessor_config.json', 'processor_config.json'])
    expect(readFileSync(join(dir, file), 'utf8')).toBe(same);
  const contents = new Set(readdirSync(dir).map((file) => readFileSync(join(dir, file), 'latin1')));
  expect(fetchedBytes).toBe([...contents].reduce((sum, content) => sum + content.length, 0));
});

it('takes the shards that the index names, and single weights rather than shards', async () => {
  const index = JSON.stringify({ weight_map: { a: 'm-1.safetensors', b: 'm-2.safetensors', c: 'm-1.safetensors' } });
  const { 'model.safetensors': single, ...others } = MODEL;
  const shards = {
    ...others,
    'model.safetensors.index.json': index,
    'm-1.safetensors': 'one',
    'm-2.safetensors': 'two',
    'm-3.safetensors': 'three',
  };
  hub.commit('org/shards', shards);
  hub.commit('org/shards', { ...shards, 'model.safetensors': single }, 'both');
  const names = async (name: string) =>
    readdirSync((await pull(name)).dir).filter((file) => file.includes('safetensors'));
  expect((await names('org/shards')).sort()).toEqual([
    'm-1.safetensors',
    'm-2.safetensors',
    'model.safetensors.index.json',
  ]);
  expect(await names('org/shards@both')).toEqual(['model.safetensors']);
});

describe('a transfer that breaks', () => {
  it('is continued where it broke', async () => {
    hub.commit('org/breaks', MODEL);
    hub.fault = (request) => {
      const from = Number(/\d+/.exec(request.range ?? '')?.[0] ?? 0);
      return forWeights(request) && from < 200_000 ? { kind: 'break', afterBytes: 70_000 } : undefined;
    };
    const { dir, fetchedBytes } = await pull('org/breaks');
    expect(readFileSync(join(dir, 'model.safetensors'))).toEqual(WEIGHTS);
    const ranges = hub.requests.filter(forWeights).map(({ range }) => range);
    expect(ranges.length).toBeGreaterThan(2);
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d+-$/.test(range ?? ''))).toBe(true);
    expect(fetchedBytes).toBeLessThan(WEIGHTS.length + 1_000);
  });

  it('is continued by the next pull', async () => {
    hub.commit('org/killed', MODEL);
    const stop = new AbortController();
    hub.fault = (request) => (forWeights(request) ? { kind: 'stall', afterBytes: 90_000 } : undefined);
    const onProgress = ({ doneBytes }: { readonly doneBytes: number }): void => {
      if (doneBytes === 90_000) stop.abort(new Error('stopped'));
    };
    await expect(pull('org/killed', { signal: stop.signal, onProgress })).rejects.toThrow('stopped');
    expect(cachedSnapshot(join(work, 'hub'), parseReference('org/killed'))).toBeUndefined();
    expect(readdirSync(join(work, 'hub', '.locks', 'models--org--killed'))).toEqual([]);
    hub.fault = () => undefined;
    const { dir, fetchedBytes } = await pull('org/killed');
    expect(fetchedBytes).toBe(WEIGHTS.length - 90_000);
    expect(readFileSync(join(dir, 'model.safetensors'))).toEqual(WEIGHTS);
  });

  it('begins anew where the server knows no ranges', async () => {
    hub.commit('org/whole', MODEL);
    let [asked, done] = [0, 0];
    hub.fault = (request) => {
      if (!forWeights(request)) return undefined;
      return asked++ === 0 ? { kind: 'break', afterBytes: 70_000 } : { kind: 'whole' };
    };
    const { dir } = await pull('org/whole', { onProgress: ({ doneBytes }) => (done = doneBytes) });
    expect(readFileSync(join(dir, 'model.safetensors'))).toEqual(WEIGHTS);
    expect(done).toBe(WEIGHTS.length);
  });

  it('that stands still is given up and continued', async () => {
    hub.commit('org/stalls', MODEL);
    let asked = 0;
    hub.fault = (request) => (forWeights(request) && asked++ === 0 ? { kind: 'stall', afterBytes: 50_000 } : undefined);
    const { dir } = await pull('org/stalls', { silenceMs: 300 });
    expect(readFileSync(join(dir, 'model.safetensors'))).toEqual(WEIGHTS);
  });

  it('that never gets on is an error, and what came is kept', async () => {
    hub.commit('org/never', MODEL);
    hub.fault = (request) => {
      if (!forWeights(request)) return undefined;
      return { kind: 'break', afterBytes: request.range === undefined ? 70_000 : 0 };
    };
    await expect(pull('org/never')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('model.safetensors') as string,
    });
    expect(readdirSync(folder('org/never', 'blobs')).some((name) => name.endsWith('.incomplete'))).toBe(true);
  });

  it('that brought wrong bytes is done once more; twice wrong is an error', async () => {
    hub.commit('org/wrong', MODEL);
    let wrong = 1;
    hub.fault = (request) => (forWeights(request) && wrong-- > 0 ? { kind: 'corrupt' } : undefined);
    expect(readFileSync(join((await pull('org/wrong')).dir, 'model.safetensors'))).toEqual(WEIGHTS);
    hub.commit('org/wrong2', { ...MODEL, 'tokenizer.json': '{"a":1}' });
    hub.fault = ({ url }) => (url.endsWith('tokenizer.json') ? { kind: 'corrupt' } : undefined);
    await expect(pull('org/wrong2')).rejects.toMatchObject({
      code: 'changed',
      message: expect.stringContaining('org/wrong2: tokenizer.json is not what the hub says it is') as string,
    });
    expect(existsSync(folder('org/wrong2', 'snapshots'))).toBe(true);
    expect(readdirSync(folder('org/wrong2', 'snapshots'))).toEqual([]);
  });

  it('that an earlier pull left damaged is found by its hash', async () => {
    hub.commit('org/damaged', MODEL);
    hub.fault = (request) => (forWeights(request) ? { kind: 'status', status: 404 } : undefined);
    await expect(pull('org/damaged')).rejects.toMatchObject({ code: 'changed' });
    const etag = hub.requests.find(forWeights)?.url.slice('/cdn/'.length) ?? '';
    writeFileSync(folder('org/damaged', 'blobs', `${etag}.incomplete`), Buffer.alloc(100_000, 'x'));
    hub.fault = () => undefined;
    expect(readFileSync(join((await pull('org/damaged')).dir, 'model.safetensors'))).toEqual(WEIGHTS);
  });
});

describe('a hub that refuses', () => {
  it.each([
    ['gated', undefined, 'gated', /ask.*HF_TOKEN/i],
    ['gated', 'hf_fake_token', 'gated', /the account of HF_TOKEN/],
    ['private', undefined, 'not_found', /set HF_TOKEN or log in/],
    ['none', undefined, 'not_found', /no such repository/],
    ['none', 'hf_fake_token', 'not_found', /no such repository/],
    ['plain', 'hf_wrong', 'bad_token', /does not know the token/],
    ['plain@v9', undefined, 'no_such_revision', /no branch, tag or commit v9/],
  ])('org/%s with the token %s: %s', async (name, token, code, message) => {
    hub.commit('org/plain', MODEL);
    hub.commit('org/gated', MODEL, 'main', { gated: true });
    hub.commit('org/private', MODEL, 'main', { isPrivate: true });
    const pulled = pull(`org/${name}`, {}, token === undefined ? {} : { token });
    await expect(pulled).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    if (token !== undefined) await expect(pulled).rejects.not.toThrow(token);
  });

  it('gives a private repository to its token, which no other host is sent', async () => {
    hub.commit('org/private', MODEL, 'main', { isPrivate: true });
    await pull('org/private', {}, { token: hub.token });
    expect(hub.requests.filter(forWeights)).toMatchObject([{ authorization: undefined }]);
    expect(
      hub.requests.filter((request) => !forWeights(request)).every(({ authorization }) => authorization !== undefined),
    ).toBe(true);
  });

  it.each([
    ['retry-after', '0'],
    ['ratelimit', '"resolvers";r=0;t=0'],
  ])('is asked again after the time that it names in %s', async (header, value) => {
    hub.commit('org/limited', MODEL);
    let limited = 2;
    const notes: string[] = [];
    hub.fault = () => (limited-- > 0 ? { kind: 'status', status: 429, headers: { [header]: value } } : undefined);
    await pull('org/limited', { onNote: (text) => notes.push(text) });
    expect(notes).toEqual(Array(2).fill('the hub limits requests: waiting 0 s'));
  });

  it('is not waited for longer than makes sense', async () => {
    hub.commit('org/limited', MODEL);
    hub.fault = () => ({ kind: 'status', status: 429, headers: { 'retry-after': '3600' } });
    await expect(pull('org/limited')).rejects.toMatchObject({
      code: 'rate_limited',
      message: expect.stringContaining('3600 s') as string,
    });
  });

  it('may stumble', async () => {
    hub.commit('org/stumbles', MODEL);
    let ill = 3;
    hub.fault = () => (ill-- > 0 ? { kind: 'status', status: 503 } : undefined);
    await pull('org/stumbles');
    hub.fault = () => ({ kind: 'status', status: 500 });
    await expect(pull('org/stumbles')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('it answers 500') as string,
    });
  });

  it('may break off while it says what there is', async () => {
    hub.commit('org/breaks-off', MODEL);
    let ill = 2;
    const breaksOff = ({ url }: FakeHubRequest) =>
      url.startsWith('/api/') && ill-- > 0 ? ({ kind: 'break', afterBytes: 40 } as const) : undefined;
    hub.fault = breaksOff;
    await pull('org/breaks-off');
    ill = Infinity;
    await expect(pull('org/breaks-off')).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('is none', async () => {
    await expect(pull('org/away', {}, { endpoint: 'http://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/org\/away: http:\/\/127\.0\.0\.1:1 cannot be reached: .*HF_ENDPOINT/) as string,
    });
    hub.commit('org/odd', MODEL);
    hub.fault = () => ({ kind: 'status', status: 200 });
    await expect(pull('org/odd')).rejects.toMatchObject({
      code: 'bad_answer',
      message: expect.stringContaining('HF_ENDPOINT') as string,
    });
  });
});

describe('what cannot be of use is said before gigabytes are fetched', () => {
  it('a repository without safetensors', async () => {
    hub.commit('org/gguf', { 'config.json': '{}', 'a.gguf': 'x', 'b.bin': 'y' });
    await expect(pull('org/gguf')).rejects.toMatchObject({
      code: 'no_weights',
      message: expect.stringContaining('(only .bin, .gguf)') as string,
    });
  });

  it('a configuration that the caller refuses, and leaves nothing', async () => {
    hub.commit('org/other', MODEL);
    const looks: string[] = [];
    const check: PullOptions['check'] = (dir, has) => {
      looks.push(`${has}: ${readdirSync(dir).sort().join(', ')}`);
      if (has === 'descriptions') throw new Error('of another family');
    };
    await expect(pull('org/other', { check })).rejects.toThrow('of another family');
    expect(looks).toEqual(['config: config.json', 'descriptions: config.json, tokenizer.json']);
    expect(hub.requests.filter(forWeights)).toEqual([]);
    expect(readdirSync(folder('org/other', 'snapshots'))).toEqual([]);
  });

  it('a disk that is too small, and one that is full', async () => {
    hub.commit('org/large', MODEL);
    await expect(pull('org/large', { freeBytes: () => Promise.resolve(2 ** 20) })).rejects.toMatchObject({
      code: 'no_space',
      message: expect.stringMatching(/0\.00 GiB are to be fetched.*madakv models rm.*HF_HUB_CACHE/) as string,
    });
    expect(hub.requests.filter(forWeights)).toEqual([]);
    hub.commit('org/full', { ...MODEL, 'config.json': '{"model_type":"full"}' });
    hub.fault = (request) => (request.url.endsWith('tokenizer.json') ? { kind: 'status', status: 404 } : undefined);
    await expect(pull('org/full')).rejects.toMatchObject({ code: 'changed' });
    // A disk on which nothing can be written.
    const [begun] = readdirSync(folder('org/full', 'blobs')).filter((name) => name.endsWith('.incomplete'));
    rmSync(folder('org/full', 'blobs', begun));
    symlinkSync('/dev/full', folder('org/full', 'blobs', begun));
    hub.fault = () => undefined;
    await expect(pull('org/full')).rejects.toMatchObject({
      code: 'no_space',
      message: expect.stringContaining('the disk is full') as string,
    });
  });

  it('a cache that is no folder', async () => {
    hub.commit('org/plain', MODEL);
    writeFileSync(join(work, 'file'), '');
    await expect(pull('org/plain', {}, { cacheDir: join(work, 'file', 'hub') })).rejects.toMatchObject({
      code: 'cache_unusable',
      message: expect.stringContaining('HF_HUB_CACHE') as string,
    });
  });
});

it('offline it takes what is in the cache, and says what is not', async () => {
  hub.commit('org/offline', MODEL);
  await expect(pull('org/offline', {}, { offline: true })).rejects.toMatchObject({ code: 'not_cached' });
  const { dir } = await pull('org/offline');
  (hub.requests as FakeHubRequest[]).length = 0;
  expect(await pull('org/offline', {}, { offline: true })).toMatchObject({ dir, fetchedBytes: 0 });
  expect(hub.requests).toEqual([]);
});

it('concurrent pulls fetch once', async () => {
  hub.commit('org/crowd', MODEL);
  const notes: string[] = [];
  const crowd = [1, 2, 3].map(() => pull('org/crowd', { cachedWillDo: true, onNote: (text) => notes.push(text) }));
  const pulled = await Promise.all(crowd);
  expect(new Set(pulled.map(({ dir }) => dir)).size).toBe(1);
  expect(hub.requests.filter(forWeights)).toHaveLength(1);
  expect(notes).toEqual(Array(2).fill('another process pulls org/crowd: waiting for it'));
});

it('a lock whose holder died is taken over', async () => {
  hub.commit('org/dead', MODEL);
  const lock = join(work, 'hub', '.locks', 'models--org--dead', 'madakv.lock');
  await mkdir(join(lock, '..'), { recursive: true });
  writeFileSync(lock, 'somebody');
  await pull('org/dead', { deadMs: 100 });
  expect(existsSync(lock)).toBe(false);
  expect(lstatSync(folder('org/dead', 'snapshots')).isDirectory()).toBe(true);
});
