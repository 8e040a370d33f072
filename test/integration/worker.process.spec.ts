import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startService, statusOf, type RunningService } from './budget.services.js';
import { roomyCheckpoint, WorkerBench } from './worker.bench.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PATIENCE = { timeout: 60_000 };

interface WorkerProcess {
  readonly child: ChildProcess;
  readonly healthUrl: string;
  readonly output: () => string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url, MADAKV_BUDGET_LEASE_TTL_MS: '1000' });
});
afterAll(async () => {
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
});
afterEach(async () => {
  for (const { child, ended } of processes.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  await bench.close();
});

/** Starts the built worker. */
async function start(changes: Record<string, string> = {}): Promise<WorkerProcess> {
  const environment = await bench.environment({ MADAKV_LOG_LEVEL: 'log', ...changes });
  const child = spawn(process.execPath, [`${ROOT}apps/worker/dist/main.js`], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const started: WorkerProcess = {
    child,
    healthUrl: `http://127.0.0.1:${environment['MADAKV_WORKER_HEALTH_PORT']}`,
    output: () => output,
    ended: once(child, 'close').then(() => child.signalCode ?? child.exitCode),
  };
  processes.push(started);
  return started;
}

async function startReady(changes: Record<string, string> = {}): Promise<WorkerProcess> {
  const worker = await start(changes);
  await expect.poll(() => statusOf(`${worker.healthUrl}/readyz`), PATIENCE).toBe(200);
  return worker;
}

const hello = { messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 4 };
/** Minutes of work, if nobody ends it. */
const endless = { ...hello, max_tokens: 500_000 };

async function leasedJobs(): Promise<string[]> {
  return (await budget.client.call('list', {})).devices.flatMap(({ leases }) => leases.map(({ jobId }) => jobId));
}

describe('the process', { timeout: 180_000 }, () => {
  it('does not start on a Redis that forgets, unless that is allowed', async () => {
    const volatile = await startRedis();
    const refused = await start({ MADAKV_REDIS_URL: volatile.url });
    expect(await refused.ended).toBe(2);
    expect(refused.output()).toContain('append-only persistence is off');
    expect(refused.output()).toContain('MADAKV_ALLOW_VOLATILE_REDIS=true');
    const allowed = await start({ MADAKV_REDIS_URL: volatile.url, MADAKV_ALLOW_VOLATILE_REDIS: 'true' });
    await expect.poll(allowed.output, PATIENCE).toContain('append-only persistence is off');
    await expect.poll(() => statusOf(`${allowed.healthUrl}/livez`), PATIENCE).toBe(200);
    await volatile.stop();
  });

  it('does not start with a bad environment or without a model, and says what was expected', async () => {
    const bad = await start({ MADAKV_WORKER_ROLES: 'batch,cook', MADAKV_CONCURRENCY: '0' });
    expect(await bad.ended).toBe(2);
    expect(bad.output()).toBe(
      'MADAKV_WORKER_ROLES: expected a list of batch, prepare, generate, separated by commas, got "batch,cook"\n' +
        'MADAKV_CONCURRENCY: expected a whole number from 1 to 256, got "0"\n',
    );
    const none = await start({ MADAKV_MODEL: '' });
    expect(await none.ended).toBe(2);
    expect(none.output()).toContain('MADAKV_MODEL: expected the folder of a checkpoint');
    const broken = await start({ MADAKV_MODEL: ROOT });
    expect(await broken.ended).toBe(2);
    expect(broken.output()).toContain('config.json');
  });

  it('ends with 0 after SIGTERM; what runs is handed back and another process answers it', async () => {
    const settings = { MADAKV_MODEL: roomyCheckpoint(bench.folder), MADAKV_GRACE_MS: '0' };
    const worker = await startReady(settings);
    const job = await bench.chat(endless);
    await expect.poll(leasedJobs, PATIENCE).toEqual([job.requestId]);
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
    expect(await leasedJobs()).toEqual([]);
    expect(await bench.generateJob(job)).toMatchObject({ attemptsMade: 0, stalledCounter: 0 });
    expect(worker.output()).toContain('1 requests are handed back');
    await startReady(settings);
    await expect.poll(leasedJobs, PATIENCE).toEqual([job.requestId]);
    await bench.records.cancellations.cancel(job.requestId, 'cancelled');
    await expect.poll(() => bench.answerOf(job), PATIENCE).toMatchObject({ status: 499 });
  });

  it('ends at once when told twice', async () => {
    const worker = await startReady({ MADAKV_MODEL: roomyCheckpoint(bench.folder), MADAKV_GRACE_MS: '600000' });
    const job = await bench.chat(endless);
    await expect.poll(leasedJobs, PATIENCE).toContain(job.requestId);
    worker.child.kill('SIGTERM');
    await expect.poll(worker.output, PATIENCE).toContain('draining: 1 requests run');
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toBe('SIGKILL');
  });

  it('killed in the middle of a request: another one answers it, and no lease is left', async () => {
    const settings = { MADAKV_LOCK_MS: '1000', MADAKV_STALLED_MS: '300', MADAKV_DEVICE_ID: 'killed' };
    const first = await startReady({ ...settings, MADAKV_MODEL: roomyCheckpoint(bench.folder) });
    const slow = await bench.chat({ ...hello, max_tokens: 800 });
    await expect.poll(leasedJobs, PATIENCE).toContain(slow.requestId);
    first.child.kill('SIGKILL');
    await first.ended;
    await startReady({ ...settings, MADAKV_MODEL: roomyCheckpoint(bench.folder) });
    await expect.poll(() => bench.answerOf(slow), PATIENCE).toMatchObject({ status: 200 });
    await expect.poll(leasedJobs).not.toContain(slow.requestId);
  });

  it('takes only the jobs of its roles', async () => {
    const preparing = await startReady({ MADAKV_WORKER_ROLES: 'prepare' });
    const job = await bench.chat(hello);
    await expect.poll(async () => (await bench.generateJob(job))?.getState(), PATIENCE).toBe('waiting');
    expect(await (await fetch(`${preparing.healthUrl}/readyz`)).json()).toEqual({
      status: 'ok',
      redis: 'ok',
      draining: false,
    });
    await startReady({ MADAKV_WORKER_ROLES: 'generate' });
    await expect.poll(() => bench.answerOf(job), PATIENCE).toMatchObject({ status: 200 });
  });
});
