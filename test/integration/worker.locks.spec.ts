import type { BudgetClient } from '@madakv/budget-client';
import { startRedis, type RedisServer } from '@madakv/testing';
import { QueueEvents } from 'bullmq';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { modelQueue, type ErrorBody } from '@madakv/contracts';
import { EngineHost } from '../../apps/worker/src/engine/engine.host.js';
import { startService, type RunningService } from './budget.services.js';
import { MODEL, roomyCheckpoint, WorkerBench } from './worker.bench.js';

/** Lengths of prompts, tried in turn until the prefill of one takes as long as is wanted, which depends on the machine. */
const PROMPT_TOKENS = [3_000, 6_000, 12_000, 24_000, 48_000, 96_000, 192_000];
/** Long enough for a busy machine to prolong it in time. */
const LOCK_MS = 2_000;
const LEASE_MS = 2_400;
/** A prefill that is longer than a lock and a lease live by themselves. */
const PREFILL_MS = 3 * LOCK_MS;
/** Marks the request over which the thread dies; long enough for it to die first. */
const DEADLY_TOKENS = 2_000;

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url, MADAKV_BUDGET_LEASE_TTL_MS: String(LEASE_MS) });
});
afterAll(async () => {
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
});
afterEach(() => bench.close());

async function heldLeases(client: BudgetClient): Promise<number> {
  return (await client.call('list', {})).devices.flatMap(({ leases }) => leases).length;
}

describe('the real engine', () => {
  it('computes for longer than a lock without one lapsing, and without a lease lapsing', async () => {
    const stalled: string[] = [];
    const events = new QueueEvents(modelQueue('generate', MODEL), {
      connection: { url: redis.url },
      prefix: bench.prefix,
    });
    events.on('stalled', ({ jobId }) => stalled.push(jobId));
    await events.waitUntilReady();
    await bench.startWorker({
      MADAKV_LOCK_MS: String(LOCK_MS),
      MADAKV_STALLED_MS: '200',
      MADAKV_MODEL: roomyCheckpoint(bench.folder),
    });
    let longest = 0;
    for (const tokens of PROMPT_TOKENS) {
      const job = await bench.chat({
        messages: [{ role: 'user', content: 'abcdefghij '.repeat(tokens / 10) }],
        max_tokens: 2,
      });
      await expect.poll(() => bench.answerOf(job), { timeout: 600_000 }).toMatchObject({ status: 200 });
      const { attempt, lease, ms } = await bench.traceOf(job);
      expect(attempt).toBe(1);
      expect(lease.events.map(({ event }) => event)).toEqual(['granted', 'resized', 'released']);
      expect(stalled).toEqual([]);
      longest = ms.prefill;
      if (longest >= PREFILL_MS) break;
    }
    expect(longest).toBeGreaterThanOrEqual(PREFILL_MS);
    await events.close();
  }, 600_000);

  it('dies three times over one request, which fails; the worker goes on', async () => {
    const threads: Worker[] = [];
    await bench.startWorker(
      {},
      {
        startEngine: async (options) => {
          const host = await EngineHost.start({
            ...options,
            restartMs: { first: 10, longest: 10 },
            spawn: (entry, data) => {
              const thread = new Worker(entry, { workerData: data });
              threads.push(thread);
              return thread;
            },
          });
          return {
            get state() {
              return host.state;
            },
            get info() {
              return host.info;
            },
            get memory() {
              return host.memory;
            },
            generate: (request, control) =>
              host.generate(request, {
                ...control,
                onEvent: (event) => {
                  control?.onEvent?.(event);
                  // An error that nobody catches in the thread.
                  const deadly = event.kind === 'started' && request.settings.maxTokens === DEADLY_TOKENS;
                  if (deadly) threads.at(-1)?.postMessage({ kind: 'nonsense' });
                },
              }),
            close: () => host.close(),
          };
        },
      },
    );
    const hello = { messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 4 };
    const first = await bench.chat(hello);
    await expect.poll(() => bench.answerOf(first)).toMatchObject({ status: 200 });
    const job = await bench.chat({ ...hello, max_tokens: DEADLY_TOKENS });
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 503 });
    expect(((await bench.answerOf(job))?.body as ErrorBody).error.code).toBe('engine_crashed');
    await expect.poll(() => threads).toHaveLength(4);
    const last = await bench.chat(hello);
    await expect.poll(() => bench.answerOf(last)).toMatchObject({ status: 200 });
    expect(await heldLeases(budget.client)).toBe(0);
  }, 180_000);
});
