import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BATCH_QUEUE, DEFAULT_KEY_PREFIX, lineRequestId, modelQueue, type Lease } from '@madakv/contracts';
import { connectRedis, Records } from '@madakv/records';
import { Queue } from 'bullmq';
import type { Batch } from 'openai/resources/batches';
import { expect } from 'vitest';
import { chaosInput, hasEnded, LINES, PatientCaller, type ComparedResult } from './chaos.batch.js';
import { LeaseSampler } from './chaos.capacity.js';
import type { Environment, ServiceProcess } from './service.process.js';
import { MODEL, type TestSystem } from './system.fixture.js';

export const DEVICE = 'device';
/** Room for three or four of the batch's requests at a time. */
export const CAPACITY_BYTES = 2_200_000;

/** Deaths are noticed within seconds, not after half a minute. Where nobody dies, a busy machine would seem to. */
export const SHORT_LIVES: Environment = {
  MADAKV_LOCK_MS: '2000',
  MADAKV_STALLED_MS: '500',
  MADAKV_GRACE_MS: '2000',
  MADAKV_GATEWAY_GRACE_MS: '2000',
  MADAKV_BUDGET_LEASE_TTL_MS: '2000',
  MADAKV_BUDGET_DEVICE_TTL_MS: '2000',
  MADAKV_BUDGET_SWEEP_MS: '200',
};

/** Whether the request has evicted, and decodes. Until then it is in prefill, or waits for its turn. */
export const isShrunk = ({ bytes, peakBytes }: Lease): boolean => bytes < peakBytes;

/** A batch that things happen to, and what has to be so afterwards. */
export class ChaosRun {
  readonly caller: PatientCaller;
  readonly sampler: LeaseSampler;
  private readonly redis;
  private readonly records: Records;

  constructor(
    readonly system: TestSystem,
    private readonly signal: AbortSignal,
  ) {
    this.caller = new PatientCaller(system.client(), signal);
    this.sampler = new LeaseSampler(system.redis.url, DEVICE);
    this.redis = connectRedis(system.redis.url, { name: 'chaos', maxRetriesPerRequest: null }, () => undefined);
    this.records = new Records(this.redis, DEFAULT_KEY_PREFIX);
  }

  async close(): Promise<void> {
    await this.sampler.stop();
    this.redis.disconnect();
  }

  submit(): Promise<Batch> {
    return this.caller.submit(chaosInput(), crypto.randomUUID());
  }

  /** Resolves with the leases as they stand once that is so. */
  until(isSo: (leases: readonly Lease[]) => boolean): Promise<readonly Lease[]> {
    return this.sampler.until(isSo, this.signal);
  }

  /**
   * Stops a worker where that is so: a fast one would be past it before it could be killed.
   * @returns the leases as they stand then
   */
  async frozen(worker: ServiceProcess, isSo: (leases: readonly Lease[]) => boolean): Promise<readonly Lease[]> {
    for (;;) {
      await this.until(isSo);
      worker.freeze();
      const leases = await this.leases();
      if (isSo(leases)) return leases;
      worker.thaw();
    }
  }

  /** Leases that stand in Redis now. */
  leases(): Promise<readonly Lease[]> {
    return this.until(() => true);
  }

  /** Resolves once that many lines have come to an outcome. */
  async settled(batch: Batch, lines: number): Promise<void> {
    while (!this.signal.aborted && (await this.outcomes(batch)) < lines) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.signal.throwIfAborted();
  }

  /** Lines that have come to an outcome. */
  async outcomes(batch: Batch): Promise<number> {
    const record = await this.records.batches.get(batch.id);
    const { completed = 0, failed = 0 } = record?.object.request_counts ?? {};
    return completed + failed;
  }

  /** Whether a line has come to an outcome. */
  answered({ id: batchId }: Batch, line: number): Promise<boolean> {
    // Where its body lies is of no consequence here.
    const source = { kind: 'line', batchId, line, fileKey: '', start: 0, length: 0 } as const;
    return this.records.outcomes.has({ requestId: lineRequestId(batchId, line), source });
  }

  /** How often an engine or its process died over a line, as far as is noted. */
  async deaths({ id }: Batch, line: number): Promise<number> {
    return (await this.records.crashes.of(lineRequestId(id, line))).count;
  }

  /** Ids of batches that have been created and have not ended. */
  open(): Promise<string[]> {
    return this.records.batches.open(10);
  }

  /** Kills it with SIGKILL, in the middle of the batch. */
  async kill(batch: Batch, service: ServiceProcess): Promise<void> {
    expect(await service.kill()).toBe('SIGKILL');
    expect(hasEnded((await this.records.batches.get(batch.id))?.object as Batch)).toBe(false);
  }

  /** Waits for the end. @returns what each line has come to, in the order of lines */
  async results(submitted: Batch): Promise<ComparedResult[]> {
    const batch = await this.caller.ended(submitted);
    expect(batch.status).toBe('completed');
    const results = await this.caller.results(batch);
    const line = ({ custom_id }: ComparedResult): number => Number(custom_id.replace('line-', ''));
    results.sort((a, b) => line(a) - line(b));
    expect(results.map(line)).toEqual(Array.from({ length: LINES }, (_, i) => i + 1));
    const completed = results.filter(({ response }) => response?.status_code === 200).length;
    expect(batch.request_counts).toEqual({ total: LINES, completed, failed: LINES - completed });
    return results;
  }

  /** As `results`; also checks what holds whatever happened. */
  async finish(batch: Batch): Promise<ComparedResult[]> {
    const results = await this.results(batch);
    await this.checkNothingLeft(batch);
    expect(this.sampler.violations).toEqual([]);
    expect(this.sampler.samples).toBeGreaterThan(100);
    expect(this.sampler.mostBytes).toBeGreaterThan(CAPACITY_BYTES / 2);
    const { workers, gateway, budget } = this.system;
    await Promise.all([...workers, gateway, budget].map((service) => service.ready()));
    return results;
  }

  private async checkNothingLeft(batch: Batch): Promise<void> {
    await expect.poll(() => this.heldAndWaiting()).toEqual([]);
    await expect.poll(() => this.jobs()).toEqual([]);
    // The record, that the batch is closed to outcomes that come late, and what its answers kept. How often a request was begun in vain, and when, lapses.
    const { keys: names } = this.records;
    const keys = [names.batch(batch.id), names.lineCounts(batch.id), names.batchCache(batch.id)].sort();
    await expect.poll(() => this.keysOf(batch)).toEqual(keys);
    await expect.poll(() => this.filesOf(batch)).toEqual([]);
    // Nor is any of its tenant's tokens reserved.
    await expect.poll(() => this.reserved(batch)).toBe(0);
  }

  private async reserved({ id }: Batch): Promise<number> {
    const record = await this.records.batches.get(id);
    return (await this.records.quota.state(record?.tenant ?? '', Date.now())).queued;
  }

  private async heldAndWaiting(): Promise<string[]> {
    const { devices } = await this.system.budgetClient.call('list', {});
    return devices.flatMap(({ leases, waiting }) => [...leases, ...waiting].map(({ jobId }) => jobId));
  }

  /** Jobs in any state, but for the one that sweeps. */
  private async jobs(): Promise<string[]> {
    const found: string[] = [];
    for (const name of [BATCH_QUEUE, modelQueue('prepare', MODEL), modelQueue('generate', MODEL)]) {
      const queue = new Queue(name, { connection: this.redis, prefix: DEFAULT_KEY_PREFIX });
      for (const job of await queue.getJobs()) found.push(`${name} ${job.name} ${job.id ?? ''}`);
      await queue.close();
    }
    return found.filter((job) => !job.startsWith(`${BATCH_QUEUE} sweep `));
  }

  private async keysOf({ id }: Batch): Promise<string[]> {
    const keys = await this.redis.keys(`*${id}*`);
    const lapsing = [this.records.keys.crashes(id), this.records.keys.begun(id)];
    return keys.filter((key) => !lapsing.some((start) => key.startsWith(start))).sort();
  }

  /** What lies between input and output. */
  private async filesOf({ id }: Batch): Promise<string[]> {
    const folders = await readdir(join(this.system.storage, 'requests')).catch(() => []);
    return folders.filter((folder) => folder.startsWith(id));
  }
}
