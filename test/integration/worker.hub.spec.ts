import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeHub, startRedis, type FakeHub, type FakeHubRequest, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startService, statusOf, type RunningService } from './budget.services.js';
import { roomyCheckpoint, WorkerBench } from './worker.bench.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface WorkerProcess {
  readonly child: ChildProcess;
  readonly healthUrl: string;
  readonly output: () => string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

let redis: RedisServer;
let budget: RunningService;
let hub: FakeHub;
let bench: WorkerBench;
let cache: string;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url });
  hub = await startFakeHub();
});
afterAll(async () => {
  await hub.stop();
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  cache = mkdtempSync(join(tmpdir(), 'madakv-worker-hub-'));
  const checkpoint = roomyCheckpoint(bench.folder);
  const files = readdirSync(checkpoint).map((name) => [name, readFileSync(join(checkpoint, name))]);
  hub.commit('org/reader', Object.fromEntries(files) as Record<string, Buffer>, 'v1');
});
afterEach(async () => {
  hub.before = () => Promise.resolve();
  (hub.requests as FakeHubRequest[]).length = 0;
  for (const { child, ended } of processes.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  await bench.close();
  rmSync(cache, { recursive: true });
});

/** Starts a worker that is to serve a model of the hub. */
async function start(changes: Record<string, string> = {}): Promise<WorkerProcess> {
  const environment = await bench.environment({
    MADAKV_MODEL: 'org/reader@v1',
    MADAKV_MODEL_ID: '',
    MADAKV_LOG_LEVEL: 'log',
    HF_ENDPOINT: hub.url,
    HF_HOME: cache,
    ...changes,
  });
  const child = spawn(process.execPath, [`${ROOT}apps/worker/dist/main.js`], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const worker: WorkerProcess = {
    child,
    healthUrl: `http://127.0.0.1:${environment['MADAKV_WORKER_HEALTH_PORT']}`,
    output: () => output,
    ended: once(child, 'close').then(() => child.signalCode ?? child.exitCode),
  };
  processes.push(worker);
  return worker;
}

const isForWeights = ({ url }: FakeHubRequest): boolean => url.startsWith('/cdn/');

it('pulls its model at the start, once for all workers of the machine, and says so meanwhile', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  hub.before = (request) => (isForWeights(request) ? held : Promise.resolve());
  const workers = [await start({ MADAKV_DEVICE_ID: 'one' }), await start({ MADAKV_DEVICE_ID: 'two' })];
  await expect.poll(() => hub.requests.some(isForWeights)).toBe(true);
  for (const { healthUrl } of workers) {
    await expect.poll(() => statusOf(`${healthUrl}/livez`)).toBe(200);
    const ready = await fetch(`${healthUrl}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      status: 'unready',
      engine: { state: 'starting', pull: { done: expect.any(Number) as number } },
    });
  }
  const waits = ({ output }: (typeof workers)[number]): boolean =>
    output().includes('another process pulls org/reader');
  await expect.poll(() => workers.filter(waits)).toHaveLength(1);
  release();
  for (const { healthUrl } of workers) await expect.poll(() => statusOf(`${healthUrl}/readyz`)).toBe(200);
  expect(hub.requests.filter(isForWeights)).toHaveLength(1);
  expect(workers.filter(waits)).toHaveLength(1);
  expect(workers.some(({ output }) => output().includes('org/reader@v1 was pulled to'))).toBe(true);
  for (const { output } of workers) expect(output()).toContain('reader is ready on');
  expect((await bench.records.models.list()).map(({ id }) => id)).toEqual(['reader']);
});

it('ends in order while it pulls, and says what keeps it from starting', async () => {
  hub.before = (request) => (isForWeights(request) ? new Promise(() => undefined) : Promise.resolve());
  const stopped = await start();
  await expect.poll(() => hub.requests.some(isForWeights)).toBe(true);
  stopped.child.kill('SIGTERM');
  expect(await stopped.ended).toBe(0);
  const offline = await start({ HF_HUB_OFFLINE: '1' });
  expect(await offline.ended).toBe(2);
  expect(offline.output()).toMatch(/^MADAKV_MODEL: org\/reader@v1: not in \S+, and HF_HUB_OFFLINE forbids/m);
  const unknown = await start({ MADAKV_MODEL: 'org/none' });
  expect(await unknown.ended).toBe(2);
  expect(unknown.output()).toContain('MADAKV_MODEL: org/none: no such repository');
});
