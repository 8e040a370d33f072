import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  BATCH_ENDPOINT,
  BatchResultSchema,
  newId,
  parseEnvironment,
  RequestAnswerSchema,
  storeKeys,
  AnsweredTraceSchema,
  FailedTraceSchema,
  type BatchResult,
  type BodySource,
  type ChatRequest,
  type RequestAnswer,
  type RequestJob,
  type AnsweredTrace,
  type FailedTrace,
} from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { connectRedis, Records } from '@madakv/records';
import { LocalFileStore } from '@madakv/storage';
import { freePort } from '@madakv/testing';
import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import type { Job, Telemetry } from 'bullmq';
import { EngineHost } from '../../apps/worker/src/engine/engine.host.js';
import type { WorkerHooks } from '../../apps/worker/src/roles/worker.tokens.js';
import { WorkerModule } from '../../apps/worker/src/worker.module.js';
import { WorkerSettingsSchema } from '../../apps/worker/src/worker.settings.js';
import { CHECKPOINT } from './checkpoint.fixture.js';

export { CHECKPOINT, roomyCheckpoint } from './checkpoint.fixture.js';

export const MODEL = 'tiny';
export const DEVICE = 'gpu';
export const TENANT = 'acme';

export interface BenchOptions {
  readonly redisUrl: string;
  readonly budgetPort: number;
  /** Carries traces in jobs. */
  readonly telemetry?: Telemetry;
}

export interface TestWorker {
  readonly app: INestApplicationContext;
  readonly healthUrl: string;
  /** Drains and ends it. */
  close(): Promise<void>;
}

/** A Redis's corner with queues and records of its own, a file store, and any number of workers within this process. */
export class WorkerBench {
  private static benches = 0;
  readonly folder = mkdtempSync(join(tmpdir(), 'madakv-worker-'));
  readonly prefix = `{bench${process.pid}-${++WorkerBench.benches}}`;
  readonly redis;
  readonly records: Records;
  readonly queues: JobQueues;
  private readonly workers: TestWorker[] = [];

  private constructor(
    private readonly options: BenchOptions,
    private readonly storage: string,
    readonly store: LocalFileStore,
  ) {
    this.redis = connectRedis(options.redisUrl, { name: 'bench', maxRetriesPerRequest: null }, () => undefined);
    this.records = new Records(this.redis, this.prefix);
    const { telemetry } = options;
    this.queues = new JobQueues({
      connection: this.redis,
      prefix: this.prefix,
      ...(telemetry === undefined ? {} : { telemetry }),
    });
  }

  static async open(options: BenchOptions): Promise<WorkerBench> {
    const files = mkdtempSync(join(tmpdir(), 'madakv-worker-files-'));
    return new WorkerBench(options, files, await LocalFileStore.open(files));
  }

  /** Environment of a worker here. */
  async environment(changes: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
    return {
      MADAKV_REDIS_URL: this.options.redisUrl,
      MADAKV_KEY_PREFIX: this.prefix,
      MADAKV_STORAGE: this.storage,
      MADAKV_BUDGET_ADDRESS: `127.0.0.1:${this.options.budgetPort}`,
      MADAKV_MODEL: CHECKPOINT,
      MADAKV_MODEL_ID: MODEL,
      MADAKV_DEVICE_ID: DEVICE,
      MADAKV_THREADS: '1',
      MADAKV_CACHE: join(this.folder, 'cache'),
      MADAKV_WORKER_HEALTH_PORT: String(await freePort()),
      MADAKV_STALLED_MS: '500',
      MADAKV_LOG_LEVEL: 'fatal',
      ...changes,
    };
  }

  async startWorker(
    changes: Readonly<Record<string, string>> = {},
    hooks: Partial<WorkerHooks> = {},
  ): Promise<TestWorker> {
    const settings = parseEnvironment(WorkerSettingsSchema, await this.environment(changes));
    const app = await NestFactory.createApplicationContext(
      WorkerModule.register(settings, {
        startEngine: (options) => EngineHost.start(options),
        onFatal: (error) => {
          throw error;
        },
        ...hooks,
      }),
      // Nest declares its options as a class and takes plain objects.
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
      { logger: false, abortOnError: false },
    );
    let closing: Promise<void> | undefined;
    const worker: TestWorker = {
      app,
      healthUrl: `http://127.0.0.1:${settings.MADAKV_WORKER_HEALTH_PORT}`,
      close: () => (closing ??= app.close()),
    };
    this.workers.push(worker);
    return worker;
  }

  /** Adds a chat completion. @returns its job */
  async chat(body: Partial<ChatRequest>, changes: Partial<RequestJob> = {}): Promise<RequestJob> {
    const requestId = newId('chat');
    const fileKey = storeKeys.body(requestId);
    await this.store.put(fileKey, Buffer.from(JSON.stringify({ model: MODEL, ...body })));
    return this.add(requestId, { kind: 'body', fileKey }, changes);
  }

  /** Adds requests of one batch, each a line of its own file. */
  async lines(batchId: string, bodies: readonly Partial<ChatRequest>[]): Promise<RequestJob[]> {
    const jobs: RequestJob[] = [];
    const fileKey = storeKeys.file(newId('file'));
    const texts = bodies.map(inputLine);
    await this.store.put(fileKey, Buffer.from(texts.join('\n')));
    let start = 0;
    for (const [i, line] of texts.entries()) {
      const source: BodySource = {
        kind: 'line',
        batchId,
        line: i + 1,
        fileKey,
        start,
        length: Buffer.byteLength(line),
      };
      jobs.push(await this.add(`${batchId}_${i + 1}`, source, { fairTag: i + 1 }));
      start += Buffer.byteLength(line) + 1;
    }
    return jobs;
  }

  /** Stores an input file of requests c1, c2, ... and starts its batch, as the gateway does. @returns the batch's id */
  async batch(bodies: readonly Partial<ChatRequest>[], tenant = TENANT): Promise<string> {
    const [fileId, batchId] = [newId('file'), newId('batch')];
    const inputKey = storeKeys.file(fileId);
    await this.store.put(inputKey, Buffer.from(bodies.map(inputLine).join('\n')));
    const createdAt = Math.floor(Date.now() / 1_000);
    const expiresAt = createdAt + 86_400;
    await this.records.batches.create({
      tenant,
      inputKey,
      cursor: { byte: 0, line: 1 },
      ending: null,
      object: {
        id: batchId,
        object: 'batch',
        endpoint: BATCH_ENDPOINT,
        input_file_id: fileId,
        completion_window: '24h',
        status: 'validating',
        created_at: createdAt,
        expires_at: expiresAt,
        request_counts: { total: 0, completed: 0, failed: 0 },
        metadata: null,
      },
    });
    await this.queues.addBatch({ batchId, tenant }, expiresAt * 1_000);
    return batchId;
  }

  /** Lines of an output or error file. */
  async results(fileId: string | undefined): Promise<BatchResult[]> {
    if (fileId === undefined) return [];
    const content = await text(await this.store.get(storeKeys.file(fileId)));
    return content
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => BatchResultSchema.parse(JSON.parse(line)));
  }

  /** The answer that stands for a request, or undefined while it has none. */
  async answerOf(job: RequestJob): Promise<RequestAnswer | undefined> {
    const outcome = await this.records.outcomes.find(job);
    if (outcome === undefined) return undefined;
    return RequestAnswerSchema.parse(JSON.parse(await text(await this.store.get(outcome.key))));
  }

  async traceOf(job: RequestJob): Promise<AnsweredTrace> {
    return AnsweredTraceSchema.parse(await this.readTrace(job));
  }

  async failureOf(job: RequestJob): Promise<FailedTrace> {
    return FailedTraceSchema.parse(await this.readTrace(job));
  }

  generateJob({ requestId }: RequestJob): Promise<Job | undefined> {
    return this.queues.generate(MODEL).getJob(requestId);
  }

  /** Ends all workers; nothing of the bench is left. */
  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
    await this.queues.close();
    this.redis.disconnect();
    for (const folder of [this.folder, this.storage]) rmSync(folder, { recursive: true, force: true });
  }

  private async readTrace({ requestId }: RequestJob): Promise<unknown> {
    return JSON.parse(await text(await this.store.get(storeKeys.trace(requestId))));
  }

  private async add(requestId: string, source: BodySource, changes: Partial<RequestJob>): Promise<RequestJob> {
    const job: RequestJob = {
      requestId,
      tenant: TENANT,
      model: MODEL,
      source,
      acceptedAtMs: Date.now(),
      ...changes,
    };
    await this.queues.addChat(job);
    return job;
  }
}

function inputLine(body: Partial<ChatRequest>, i: number): string {
  return JSON.stringify({
    custom_id: `c${i + 1}`,
    method: 'POST',
    url: BATCH_ENDPOINT,
    body: { model: MODEL, ...body },
  });
}
