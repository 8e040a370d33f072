import { createHash, randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHART } from './tools.js';

const REVISION = 'v1';
const WEIGHTS = randomBytes(300_000);
const FILES: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{"model_type":"x"}'),
  'model.safetensors': WEIGHTS,
  'sub/tokenizer.json': Buffer.from('{}'),
  'picture.png': Buffer.from('not wanted'),
};

/** Stands in for a hub: lists and serves files, with what a real one does now and then. */
class FakeHub {
  readonly asked: string[] = [];
  readonly ranges: (string | undefined)[] = [];
  /** How often the next file is answered with 503 before it is served. */
  failures = 0;
  /** Bytes after which the connection of the first weights breaks. */
  breakAfter: number | undefined;
  /** Whether some of what was sent before lies where the script puts it. */
  hasArrived = (): boolean => true;
  files: Partial<Record<string, Buffer>> = { ...FILES };
  sha256 = createHash('sha256').update(WEIGHTS).digest('hex');
  private readonly server: Server = createServer((request, response) => {
    this.answer(request, response);
  });

  async start(): Promise<string> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private answer({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    this.asked.push(url);
    if (headers.authorization !== 'Bearer secret') {
      response.writeHead(401).end();
      return;
    }
    if (url === `/api/models/org/model/revision/${REVISION}?blobs=true`) {
      const siblings = Object.entries(this.files).map(([rfilename, { length: size } = Buffer.alloc(0)]) => ({
        rfilename,
        size,
        ...(rfilename.endsWith('.safetensors') ? { lfs: { size, sha256: this.sha256 } } : {}),
      }));
      response.end(JSON.stringify({ siblings }));
      return;
    }
    const content = this.files[url.slice(`/org/model/resolve/${REVISION}/`.length)];
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    if (this.failures > 0) {
      this.failures -= 1;
      response.writeHead(503).end();
      return;
    }
    this.ranges.push(headers.range);
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    response.writeHead(headers.range === undefined ? 200 : 206, { 'content-length': content.length - start });
    if (this.breakAfter !== undefined && content.length > this.breakAfter) {
      response.write(content.subarray(0, this.breakAfter));
      // Once some of it lies in the file; a connection that breaks before has left nothing.
      const timer = setInterval(() => {
        if (!this.hasArrived()) return;
        clearInterval(timer);
        response.destroy();
      }, 5);
      this.breakAfter = undefined;
      return;
    }
    response.end(content.subarray(start));
  }
}

let hub: FakeHub;
let url: string;
let store: string;
beforeEach(async () => {
  hub = new FakeHub();
  url = await hub.start();
  store = await mkdtemp(join(tmpdir(), 'madakv-models-'));
});
afterEach(async () => {
  hub.stop();
  await rm(store, { recursive: true });
});

/** Runs the script as its job does. */
async function fetchModel(more: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const folder = join(store, 'm', REVISION);
  const env = {
    PATH: process.env['PATH'],
    HUB: url,
    REPOSITORY: 'org/model',
    REVISION,
    SUFFIXES: '.json,.safetensors',
    FOLDER: folder,
    MARKER: `${folder}.complete`,
    HUB_TOKEN: 'secret',
    PAUSE_MS: '1',
    ...more,
  };
  const child = spawn(process.execPath, [join(CHART, 'files/fetch-model.mjs')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

async function found(): Promise<string[]> {
  return (await readdir(store, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(store.length + 1))
    .sort();
}

const COMPLETE = ['m/v1.complete', 'm/v1/config.json', 'm/v1/model.safetensors', 'm/v1/sub/tokenizer.json'];

describe('files/fetch-model.mjs', () => {
  it('fetches what is wanted, and says last that it is complete', async () => {
    expect(await fetchModel()).toMatchObject({ code: 0 });
    expect(await found()).toEqual(COMPLETE);
    expect(await readFile(join(store, 'm/v1/model.safetensors'))).toEqual(WEIGHTS);
    const asked = hub.asked.length;
    expect(await fetchModel()).toMatchObject({ code: 0 });
    expect(hub.asked).toHaveLength(asked);
  });

  it('goes on where a connection broke, in the same job and in the next', async () => {
    hub.breakAfter = 100_000;
    const part = join(store, 'm/v1/model.safetensors.part');
    hub.hasArrived = () => (statSync(part, { throwIfNoEntry: false })?.size ?? 0) > 0;
    expect(await fetchModel()).toMatchObject({ code: 0 });
    expect(hub.ranges.some((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
    expect(await readFile(join(store, 'm/v1/model.safetensors'))).toEqual(WEIGHTS);

    await rm(join(store, 'm'), { recursive: true });
    await mkdir(join(store, 'm/v1'), { recursive: true });
    await writeFile(part, WEIGHTS.subarray(0, 200_000));
    hub.ranges.length = 0;
    expect(await fetchModel()).toMatchObject({ code: 0 });
    expect(hub.ranges).toContain('bytes=200000-');
    expect(await readFile(join(store, 'm/v1/model.safetensors'))).toEqual(WEIGHTS);
  });

  it('asks again where that may help', async () => {
    hub.failures = 3;
    const { code, output } = await fetchModel();
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('503') as string });
    expect(await found()).toEqual(COMPLETE);
  });

  it('begins anew what is not what the hub says, and never says that it is complete', async () => {
    hub.sha256 = '0'.repeat(64);
    const { code, output } = await fetchModel();
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining('SHA-256') as string });
    expect(await found()).not.toContain('m/v1.complete');
    expect(await found()).not.toContain('m/v1/model.safetensors');
  });

  it.each<[string, (hub: FakeHub) => Record<string, string>, string]>([
    ['a token that is not taken', () => ({ HUB_TOKEN: 'wrong' }), '401'],
    ['a repository that is not there', () => ({ REPOSITORY: 'org/other' }), '404'],
    ['no model in it', (each) => ((each.files = { 'a.json': Buffer.from('{}') }), {}), 'has no config.json'],
    [
      'a file outside its folder',
      (each) => ((each.files['../a.json'] = Buffer.from('{}')), {}),
      'a file named ../a.json',
    ],
  ])('ends at once with %s', async (_what, prepare, message) => {
    const { code, output } = await fetchModel(prepare(hub));
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining(message) as string });
    expect(hub.asked).toHaveLength(1);
    expect(await found()).toEqual([]);
  });
});
