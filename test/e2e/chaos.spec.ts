import { randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { lineRequestId, type Lease } from '@madakv/contracts';
import { SeededRandom } from '@madakv/testing';
import type { Batch } from 'openai/resources/batches';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chaosInput, customId, halfAnUpload, LINES, type ComparedResult } from './chaos.batch.js';
import { CAPACITY_BYTES, ChaosRun, DEVICE, isShrunk, SHORT_LIVES } from './chaos.run.js';
import { ServiceProcess } from './service.process.js';
import { startSystem, type TestSystem } from './system.fixture.js';

const TEST_MS = 240_000;
/** Least time that a lease must have been held by before its request is taken to be in prefill, in milliseconds. */
const PREFILL_MS = 20;

let system: TestSystem;
let run: ChaosRun;
/** Of the same lines, undisturbed. */
let expected: ComparedResult[];

beforeAll(async () => {
  system = await startSystem({
    environment: {
      ...SHORT_LIVES,
      MADAKV_DEVICE_ID: DEVICE,
      MADAKV_DEVICE_CAPACITY_BYTES: String(CAPACITY_BYTES),
    },
  });
  run = new ChaosRun(system, AbortSignal.timeout(TEST_MS));
  expected = await run.results(await run.submit());
  await run.close();
}, TEST_MS);
afterEach(() => run.close());
afterAll(() => system.stop());

const begin = (): ChaosRun => (run = new ChaosRun(system, AbortSignal.timeout(TEST_MS)));
const worker = (): ServiceProcess => system.workers[0];
/** Lines with an answer as long as it may be: they can be met while they decode. */
const longLines = (): number[] =>
  expected.flatMap(({ response }, i) => (response?.body.choices?.[0]?.finish_reason === 'length' ? [i + 1] : []));

/** Whether a request's prefill is under way or next in the engine, which works on one at a time. */
function prefills(lease: Lease): boolean {
  return !isShrunk(lease) && Date.now() - lease.grantedAtMs > PREFILL_MS;
}

/** Whether one of those decodes. */
function decodes({ id }: Batch): (leases: readonly Lease[]) => boolean {
  const long = new Set(longLines().map((line) => lineRequestId(id, line)));
  return (leases) => leases.some((lease) => isShrunk(lease) && long.has(lease.jobId));
}

it('answers, refuses and fails lines where nothing happens', () => {
  const statuses = expected.map(({ response }) => response?.status_code);
  expect(statuses).toEqual([...Array.from({ length: LINES - 2 }, () => 200), 400, 400]);
  expect(new Set(expected.map(({ response }) => JSON.stringify(response))).size).toBe(LINES);
  expect(longLines().length).toBeGreaterThan(LINES / 2);
});

describe('in the middle of a batch, kill -9 of', { timeout: TEST_MS }, () => {
  it('a worker in prefill and in decode, which is started again', async () => {
    begin();
    const batch = await run.submit();
    await run.frozen(worker(), (found) => found.some(prefills));
    await run.kill(batch, worker());
    await worker().start();

    await run.frozen(worker(), decodes(batch));
    await run.kill(batch, worker());
    await worker().start();
    expect(await run.finish(batch)).toEqual(expected);
  });

  it('the memory-budget service', async () => {
    begin();
    const batch = await run.submit();
    await run.until(decodes(batch));
    const before = worker().output.length;
    await run.kill(batch, system.budget);
    await expect.poll(() => worker().output.slice(before)).toContain('the memory-budget service is away');
    await system.budget.start();
    expect(await run.finish(batch)).toEqual(expected);
  });

  it('the gateway while it takes a file, creates the batch, and is asked about it', async () => {
    begin();
    const broken = expect(halfAnUpload(system.url, system.apiKeys.acme)).rejects.toThrow();
    await expect.poll((): Promise<string[]> => readdir(join(system.storage, '.partial'))).not.toEqual([]);
    await system.gateway.kill();
    await broken;
    await system.gateway.start();

    const file = await run.caller.upload(chaosInput());
    // A fast worker would be through with the batch before its gateway is back.
    worker().freeze();
    const creating = run.caller.create(file, 'the only one');
    await expect.poll(() => run.open(), { interval: 1 }).toHaveLength(1);
    await system.gateway.kill();
    await system.gateway.start();
    const batch = await creating;
    expect(await run.open()).toEqual([batch.id]);
    worker().thaw();

    const ending = run.caller.ended(batch);
    await run.until(decodes(batch));
    await run.kill(batch, system.gateway);
    await system.gateway.start();
    await ending;
    expect(await run.finish(batch)).toEqual(expected);
    const { data } = await run.caller.ask((client) => client.batches.list());
    expect(data.filter(({ input_file_id }) => input_file_id === file).map(({ id }) => id)).toEqual([batch.id]);
  });

  it('Redis, which comes back with its append-only file', async () => {
    begin();
    const batch = await run.submit();
    await run.until(decodes(batch));
    await system.redis.restart();
    await run.settled(batch, LINES / 2);
    await system.redis.restart();
    expect(await run.finish(batch)).toEqual(expected);
  });

  it('every worker that a certain line runs in: it fails for good, and takes nobody with it', async () => {
    begin();
    const batch = await run.submit();
    const dead = new Set<string>();
    /** Kills the worker three times while the line decodes. A line that was faster once is no poison, but answered. */
    const poisons = async (line: number): Promise<boolean> => {
      const runs = ({ leaseId, jobId }: Lease): boolean =>
        jobId === lineRequestId(batch.id, line) && !dead.has(leaseId);
      // It may have seen some beside a line that was met before.
      for (let deaths = await run.deaths(batch, line); deaths < 3; deaths++) {
        let found: readonly Lease[] = [];
        while (!found.some((lease) => runs(lease) && isShrunk(lease))) {
          if (await run.answered(batch, line)) return false;
          found = await run.leases();
        }
        worker().freeze();
        if (await run.answered(batch, line)) {
          worker().thaw();
          return false;
        }
        await run.kill(batch, worker());
        // It may have been through with the line, and about to write its answer down.
        const counted = (await run.deaths(batch, line)) > deaths;
        for (const { leaseId } of found.filter(runs)) dead.add(leaseId);
        await worker().start();
        if (!counted) return false;
      }
      return true;
    };
    let poison: number | undefined;
    for (const line of longLines().slice(4)) {
      if (!(await poisons(line))) continue;
      poison = line;
      break;
    }
    if (poison === undefined) throw new Error('every line was answered before its worker could be killed three times');
    const id = customId(poison);
    const results = await run.finish(batch);
    const others = (all: ComparedResult[]) => all.filter(({ custom_id }) => custom_id !== id);
    expect(others(results)).toEqual(others(expected));
    expect(results[poison - 1].response?.body.error).toMatchObject({ code: 'engine_crashed' });
  });

  it('a worker in decode: another one takes over', async () => {
    begin();
    const batch = await run.submit();
    await run.until(decodes(batch));
    await run.kill(batch, worker());
    await system.addWorker();
    await run.settled(batch, LINES);
    await worker().start();
    expect(await run.finish(batch)).toEqual(expected);
  });

  it('all of them, in any order', async () => {
    const seed = Number(process.env['MADAKV_TEST_SEED'] ?? randomInt(2 ** 31));
    const random = new SeededRandom(seed);
    try {
      begin();
      const batch = await run.submit();
      const { workers, budget, gateway, redis } = system;
      const victims = [...workers, budget, gateway, redis];
      const comingBack: Promise<unknown>[] = [];
      let lines = 0;
      while (victims.length > 0) {
        const [victim] = victims.splice(random.integer(0, victims.length - 1), 1);
        lines += random.integer(1, 3);
        await run.settled(batch, lines);
        if (victim instanceof ServiceProcess) {
          await run.kill(batch, victim);
          comingBack.push(victim.start());
        } else {
          expect(await run.outcomes(batch)).toBeLessThan(LINES);
          await victim.restart();
        }
      }
      await Promise.all(comingBack);
      expect(await run.finish(batch)).toEqual(expected);
    } catch (error) {
      throw new Error(`with MADAKV_TEST_SEED=${seed}: ${String(error)}`, { cause: error });
    }
  });
});
