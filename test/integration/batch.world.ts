import {
  BATCH_ENDPOINT,
  BATCH_QUEUE,
  BatchResultSchema,
  MadakvError,
  modelQueue,
  newId,
  requestsOf,
  storeKeys,
  type BatchRecord,
  type BatchResult,
  type ChatCompletion,
  type ModelJob,
  type RequestJob,
} from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { BatchControl, Records } from '@madakv/records';
import { LocalFileStore, type FileStore } from '@madakv/storage';
import { UnrecoverableError, Worker, type Job } from 'bullmq';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import { BatchProcessor } from '../../apps/worker/src/batch/index.js';
import { OutcomeWriter } from '../../apps/worker/src/outcome/outcome.writer.js';
import { sampleFailure, sampleTrace } from './trace.fixture.js';

export const MODEL = 'reader';
export const TENANT = 'acme';

export interface BatchWorldOptions {
  readonly windowLines?: number;
  readonly groupLines?: number;
  readonly maxLineBytes?: number;
}

interface SubmitOptions extends Pick<BatchRecord, 'outputExpirySeconds' | 'limits'> {
  readonly tenant?: string;
  readonly expiresInMs?: number;
}

/** What a fake worker does with a line: by default it answers. It may throw, as one that fails for good. */
export type FakeGenerate = (job: RequestJob, answer: (status?: number) => Promise<void>) => Promise<void>;

/**
 * Records, queues and files of a test's own, on a real Redis. Jobs run when the test says so, one at a time, by workers
 * that take them by hand: nothing depends on time.
 */
export class BatchWorld {
  readonly records: Records;
  readonly queues: JobQueues;
  readonly control: BatchControl;
  readonly outcomes: OutcomeWriter;
  readonly processor: BatchProcessor;
  /** How often each line was generated. */
  readonly generated = new Map<string, number>();
  readonly prefix = `{t${randomUUID()}}`;
  generate: FakeGenerate = (_, answer) => answer();
  private readonly hands = new Map<string, Worker>();

  private constructor(
    readonly redis: Redis,
    readonly store: FileStore,
    private readonly folder: string,
    readonly options: BatchWorldOptions,
  ) {
    this.records = new Records(redis, this.prefix);
    this.queues = new JobQueues({ connection: redis, prefix: this.prefix });
    this.control = new BatchControl(this.records.batches, this.records.cancellations, this.queues);
    this.outcomes = new OutcomeWriter(store, this.records.outcomes, this.records.events, this.records.activity);
    this.processor = this.processorOver(this.records, this.queues, store);
  }

  static async open(url: string, options: BatchWorldOptions = {}): Promise<BatchWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'madakv-batch-'));
    const redis = new Redis(url, { maxRetriesPerRequest: null });
    const world = new BatchWorld(redis, await LocalFileStore.open(folder), folder, options);
    await world.announce(MODEL);
    return world;
  }

  async close(): Promise<void> {
    await Promise.all([...this.hands.values()].map((worker) => worker.close()));
    await this.queues.close();
    this.redis.disconnect();
    await rm(this.folder, { recursive: true });
  }

  processorOver(records: Records, queues: JobQueues, store: FileStore): BatchProcessor {
    const { windowLines = 3, groupLines = 64, maxLineBytes = 100_000 } = this.options;
    return new BatchProcessor({ records, queues, store, windowLines, groupLines, maxLineBytes });
  }

  announce(id: string): Promise<void> {
    const model = { id, family: 'qwen2_5_vl', createdAt: 1, maxPositions: 1_000, kvBytesPerToken: 10, seenAtMs: 1 };
    return this.records.models.announce(model);
  }

  /** Stores an input file and creates its batch, as the gateway does. @returns the batch's id */
  async submit(
    content: string | Uint8Array,
    { tenant = TENANT, expiresInMs = 86_400_000, ...rest }: SubmitOptions = {},
  ): Promise<string> {
    const [fileId, batchId] = [newId('file'), newId('batch')];
    await this.store.put(storeKeys.file(fileId), Buffer.from(content));
    const now = Date.now();
    const record: BatchRecord = {
      tenant,
      inputKey: storeKeys.file(fileId),
      ...rest,
      cursor: { byte: 0, line: 1 },
      ending: null,
      object: {
        id: batchId,
        object: 'batch',
        endpoint: BATCH_ENDPOINT,
        input_file_id: fileId,
        completion_window: '24h',
        status: 'validating',
        created_at: Math.floor(now / 1_000),
        expires_at: Math.floor((now + expiresInMs) / 1_000),
        request_counts: { total: 0, completed: 0, failed: 0 },
        metadata: null,
      },
    };
    await this.records.batches.create(record);
    await this.queues.addBatch({ batchId, tenant }, now + expiresInMs);
    return batchId;
  }

  async record(batchId: string): Promise<BatchRecord> {
    const record = await this.records.batches.get(batchId);
    if (record === undefined) throw new Error(`no batch ${batchId}`);
    return record;
  }

  /** Takes a job by hand. */
  async take(queue: string): Promise<{ job: Job; token: string } | undefined> {
    let hand = this.hands.get(queue);
    if (hand === undefined) {
      // Nobody renews these locks, and a step may take minutes on a busy machine.
      const lockDuration = 600_000;
      hand = new Worker(queue, null, { connection: this.redis, prefix: this.prefix, autorun: false, lockDuration });
      this.hands.set(queue, hand);
      await hand.waitUntilReady();
    }
    const token = randomUUID();
    const job = (await hand.getNextJob(token, { block: false })) as Job | undefined;
    return job === undefined ? undefined : { job, token };
  }

  /** Runs a job of the batch queue. @returns false when there is none */
  async runBatchJob(processor = this.processor): Promise<boolean> {
    const taken = await this.take(BATCH_QUEUE);
    if (taken === undefined) return false;
    const { job, token } = taken;
    try {
      await processor.process(job, token);
      await job.moveToCompleted(undefined, token, false);
    } catch (error) {
      if ((error as Error).name === 'WaitingChildrenError') return true;
      // As the stalled check does with the job of a process that died.
      if (await job.isActive()) await job.moveToWait(token);
      throw error;
    }
    return true;
  }

  /** Runs a prepare job, which does nothing. */
  async runPrepare(model = MODEL): Promise<boolean> {
    const taken = await this.take(modelQueue('prepare', model));
    await taken?.job.moveToCompleted({ state: 'prepared' }, taken.token, false);
    return taken !== undefined;
  }

  /** Runs a generate job by `generate`. @returns false when there is none */
  async runGenerate(model = MODEL): Promise<boolean> {
    const taken = await this.take(modelQueue('generate', model));
    if (taken === undefined) return false;
    const { job, token } = taken;
    for (const request of requestsOf(job.data as ModelJob)) {
      if (await this.outcomes.isSettled(request)) continue;
      this.generated.set(request.requestId, (this.generated.get(request.requestId) ?? 0) + 1);
      try {
        await this.generate(request, (status) => this.answer(request, status));
      } catch (error) {
        await job.moveToFailed(new UnrecoverableError((error as Error).message), token, false);
        return true;
      }
    }
    await job.moveToCompleted({ state: 'settled' }, token, false);
    return true;
  }

  /** Runs jobs of all queues until there are none. */
  async drain(models: readonly string[] = [MODEL]): Promise<void> {
    let busy = true;
    while (busy) {
      busy = await this.runBatchJob();
      for (const model of models) {
        while (await this.runPrepare(model)) busy = true;
        while (await this.runGenerate(model)) busy = true;
      }
    }
  }

  async answer(job: RequestJob, status = 200): Promise<void> {
    const request = { ...job, customId: null };
    const traced = { ...job, id: job.requestId };
    if (status === 200) await this.outcomes.complete(request, completion(job.requestId), sampleTrace(traced));
    else {
      const error = new MadakvError(status === 499 ? 'cancelled' : 'invalid_document', 'a bad document');
      await this.outcomes.fail(request, error, sampleFailure(traced, error));
    }
  }

  /** Lines of a batch's output and error file. */
  async results(batchId: string): Promise<{ output: BatchResult[]; errors: BatchResult[] }> {
    const { object } = await this.record(batchId);
    return { output: await this.lines(object.output_file_id), errors: await this.lines(object.error_file_id) };
  }

  async keys(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.store.list(prefix)) keys.push(key);
    return keys;
  }

  private async lines(fileId: string | undefined): Promise<BatchResult[]> {
    if (fileId === undefined) return [];
    const content = await text(await this.store.get(storeKeys.file(fileId)));
    return content
      .trimEnd()
      .split('\n')
      .map((line) => BatchResultSchema.parse(JSON.parse(line)));
  }
}

/** A line of an input file. */
export function line(customId: string, { model = MODEL, ...rest }: Record<string, unknown> & { model?: string } = {}) {
  const body = { model, messages: [{ role: 'user', content: 'What is the total?' }] };
  return JSON.stringify({ custom_id: customId, method: 'POST', url: BATCH_ENDPOINT, body, ...rest });
}

/** An input file of so many good lines: `c1`, `c2`, ... */
export function inputOf(count: number): string {
  return Array.from({ length: count }, (_, i) => `${line(`c${i + 1}`)}\n`).join('');
}

export function completion(content: string): ChatCompletion {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: MODEL,
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 30, completion_tokens: 2, total_tokens: 32 },
    madakv: {
      trace_id: 't',
      policy: 'madakv',
      cache_ratio: 0.2,
      requested_cache_ratio: 0.2,
      prompt_tokens: { text: 30 },
      bytes: { full: 300, peak: 90, kept: 60 },
      warnings: [],
    },
  };
}
