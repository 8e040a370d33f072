import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startService, type RunningService } from './budget.services.js';
import { FakeEngine } from './worker.fake.engine.js';
import { roomyCheckpoint, WorkerBench, type TestWorker } from './worker.bench.js';

const PASSAGE = 'The vessel left the harbour before dawn and nobody on the quay could say what she carried. '.repeat(
  20,
);
const about = (text: string, passage = PASSAGE) => ({
  messages: [{ role: 'user' as const, content: `${passage}${text}` }],
  max_tokens: 8,
});

/** Answers at once, and holds every document that it has read. */
class HoldingEngine extends FakeEngine {
  readonly held = new Set<string>();
  onResident: (documentKeys: readonly string[]) => void = () => undefined;
  holds = true;

  override onBegin = (requestId: string): void => {
    const key = this.requestOf(requestId)?.documentKey;
    this.finish(requestId, 'done');
    if (key === undefined || !this.holds) return;
    this.held.add(key);
    this.onResident([...this.held]);
  };
}

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;
let engines: HoldingEngine[];

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url });
});
afterAll(async () => {
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  engines = [];
});
afterEach(() => bench.close());

async function startWorkers(changes: Record<string, string> = {}): Promise<TestWorker[]> {
  const model = roomyCheckpoint(bench.folder);
  const workers: TestWorker[] = [];
  for (const name of ['a', 'b']) {
    const engine = new HoldingEngine();
    engines.push(engine);
    const settings = { MADAKV_MODEL: model, MADAKV_WORKER_ID: name, MADAKV_DEVICE_ID: name, MADAKV_GRACE_MS: '0' };
    workers.push(
      await bench.startWorker(
        { ...settings, ...changes },
        {
          startEngine: ({ onResident }) => {
            if (onResident !== undefined) engine.onResident = onResident;
            return Promise.resolve(engine);
          },
        },
      ),
    );
  }
  return workers;
}

/** @returns the worker that answered, and the trace's times */
async function ask(body: ReturnType<typeof about>) {
  const job = await bench.chat(body);
  await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
  return bench.traceOf(job);
}

/** Documents that some worker is known to hold. */
const noted = () => bench.redis.keys(`${bench.prefix}:resident:*`);

describe('two workers', () => {
  it('leave a document to the one that holds it', async () => {
    await startWorkers({ MADAKV_RESIDENT_WAIT_MS: '20000' });
    const { worker: holder } = await ask(about('What did she carry?'));
    await expect.poll(noted).toHaveLength(1);
    for (let i = 0; i < 12; i++) expect((await ask(about(`Question ${i}?`))).worker).toBe(holder);
    // One that nobody holds is anybody's, and so is what is too short to be worth holding.
    await ask(about('What did it carry?', PASSAGE.replaceAll('vessel', 'train')));
    await ask(about('Hello?', ''));
  });

  it('do not wait long for a holder that does not come: its death costs time and nothing else', async () => {
    const workers = await startWorkers({ MADAKV_RESIDENT_WAIT_MS: '300' });
    const { worker: holder } = await ask(about('What did she carry?'));
    await expect.poll(noted).toHaveLength(1);
    const [index, other] = holder === 'a' ? [0, 1] : [1, 0];
    // As one that was killed: what it had said of itself still stands.
    engines[index].onResident = () => undefined;
    const [note] = await noted();
    await workers[index].close();
    await bench.redis.zadd(note, Date.now() + 60_000, holder);
    await bench.redis.persist(note);
    const trace = await ask(about('And now?'));
    expect(trace.worker).toBe(['a', 'b'][other]);
    expect(trace.attempt).toBe(1);
  });

  it('say nothing of a document any more that they have forgotten, or when they end', async () => {
    const [first] = await startWorkers();
    for (const engine of engines) engine.holds = false;
    engines[0].onResident(['x', 'y']);
    await expect.poll(noted).toHaveLength(2);
    engines[0].onResident(['y']);
    await expect.poll(noted).toEqual([expect.stringMatching(/:y$/)]);
    await first.close();
    await expect.poll(noted).toEqual([]);
  });
});
