import {
  BATCH_QUEUE,
  BatchLineSchema,
  ChatRequestSchema,
  errorBody,
  lineRequestId,
  MadakvError,
  modelQueue,
  newId,
  storeKeys,
  type BatchJob,
  type BatchRecord,
  type ChatCompletion,
  type ChatRequest,
  type Outcome,
  type RequestJob,
} from '@madakv/contracts';
import { hasEnded, type Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { settlementOf } from './settlement.fixture.js';

/**
 * Stands in for the workers: settles requests through records and file store as they do, with answers that the question's
 * text dictates.
 *
 *   say: a|b|c      these tokens
 *   hang: a|b       these tokens, then nothing until cancelled
 *   fail: a|b       these tokens, then an error
 *   repeat: a|b|c   the first token, and then all of them, as a second attempt would
 *   mute: a|b       the answer without events of its tokens
 *   late: a|b       the same, but not before `release` is called
 */
export class FakeWorker {
  private readonly workers: Worker[];
  private readonly connections: Redis[] = [];
  /** Requests that hung, and those of them whose cancellation was seen. */
  readonly hanging: string[] = [];
  readonly cancelled: string[] = [];
  /** Gives the answers that are late. */
  release: () => void = () => undefined;
  private readonly released = new Promise<void>((resolve) => {
    this.release = resolve;
  });
  /** While it is false, batches stay as they are. */
  readonly batches = { run: true };

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly records: Records,
    private readonly store: FileStore,
    model: string,
  ) {
    this.workers = [
      this.worker(modelQueue('prepare', model), () => Promise.resolve({ state: 'prepared' })),
      this.worker(modelQueue('generate', model), ({ data }) => this.generate(data as RequestJob)),
      this.worker(BATCH_QUEUE, ({ name, data }) => (name === 'run' ? this.batch(data as BatchJob) : Promise.resolve())),
    ];
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close(true)));
    for (const connection of this.connections) connection.disconnect();
  }

  private worker(queue: string, process: (job: { name: string; data: unknown }) => Promise<unknown>): Worker {
    const connection = this.redis.duplicate({ maxRetriesPerRequest: null });
    connection.on('error', () => undefined);
    this.connections.push(connection);
    const worker = new Worker(queue, process, { connection, prefix: this.prefix, concurrency: 8, drainDelay: 1 });
    worker.on('error', () => undefined);
    return worker;
  }

  private async generate({
    requestId,
    source,
    tenant,
    model,
    acceptedAtMs,
  }: RequestJob): Promise<{ state: 'settled' }> {
    if (source.kind !== 'body') throw new Error('only chat completions come this way');
    const request = ChatRequestSchema.parse(JSON.parse(await text(await this.store.get(source.fileKey))));
    const { verb, tokens } = scriptOf(request);
    const say = async (index: number): Promise<void> => {
      await this.records.events.append(requestId, { kind: 'token', index, text: tokens[index] });
    };
    await this.records.events.append(requestId, { kind: 'prefill', done: 1, total: 1 });
    if (verb === 'repeat') await say(0);
    // Begun again, it answers in another way.
    if (verb === 'change') await this.records.events.append(requestId, { kind: 'token', index: 0, text: 'other' });
    if (verb === 'late') {
      this.hanging.push(requestId);
      await this.released;
    }
    if (verb !== 'mute' && verb !== 'late') for (const index of tokens.keys()) await say(index);
    let answer = { status: 200, body: completion(requestId, request, tokens) as object };
    if (verb === 'fail') answer = failure(new MadakvError('invalid_document', 'locked', { reason: 'encrypted_pdf' }));
    if (verb === 'hang') {
      this.hanging.push(requestId);
      while ((await this.records.cancellations.find([requestId])).size === 0) await pause();
      this.cancelled.push(requestId);
      answer = failure(new MadakvError('cancelled', 'cancelled'));
    }
    const content = Buffer.from(JSON.stringify({ requestId, customId: null, ...answer }));
    const key = storeKeys.answer(requestId, createHash('sha256').update(content).digest('hex'));
    await this.store.put(key, content);
    const { usage } = completion(requestId, request, tokens);
    const outcome: Outcome = answer.status === 200 ? { state: 'completed', key, usage } : { state: 'failed', key };
    const ref = { requestId, source };
    // Who hangs up counts for what was computed until then.
    const spent = verb === 'hang' ? { ...outcome, usage } : outcome;
    await this.records.outcomes.commit(ref, outcome, settlementOf(ref, spent, { tenant, model, acceptedAtMs }));
    await this.records.events.append(requestId, { kind: 'end' });
    return { state: 'settled' };
  }

  private async batch({ batchId }: BatchJob): Promise<void> {
    let record = await this.record(batchId);
    // Whoever looks at a batch the moment it ends adds its job once more.
    if (hasEnded(record.object.status)) return;
    while (!this.batches.run && record.ending === null) {
      await pause();
      record = await this.record(batchId);
    }
    const input = await text(await this.store.get(record.inputKey));
    const lines = input.split('\n').flatMap((line, i) => (line === '' ? [] : [{ number: i + 1, line }]));
    await this.change(record, {
      status: 'in_progress',
      in_progress_at: Math.floor(Date.now() / 1000),
      request_counts: { total: lines.length, completed: 0, failed: 0 },
    });
    const results = lines.map(({ number, line }) => {
      const { custom_id, body } = BatchLineSchema.parse(JSON.parse(line));
      const request = ChatRequestSchema.parse(body);
      const id = lineRequestId(batchId, number);
      const response = { status_code: 200, request_id: id, body: completion(id, request, scriptOf(request).tokens) };
      return JSON.stringify({ id, custom_id, response, error: null });
    });
    const fileId = newId('file');
    const created_at = Math.floor(Date.now() / 1000);
    const key = storeKeys.file(fileId);
    const { bytes, sha256 } = await this.store.put(key, Buffer.from(`${results.join('\n')}\n`));
    const object = { id: fileId, object: 'file', bytes, created_at, filename: `${batchId}_output.jsonl` } as const;
    await this.records.files.create({
      tenant: record.tenant,
      key,
      sha256,
      object: { ...object, purpose: 'batch_output', status: 'processed' },
    });
    const counts = { total: lines.length, completed: lines.length, failed: 0 };
    const end =
      record.ending === 'cancelled'
        ? ({ status: 'cancelled', cancelled_at: created_at } as const)
        : ({ status: 'completed', completed_at: created_at, request_counts: counts } as const);
    await this.change(record, { ...end, output_file_id: fileId });
  }

  private async record(batchId: string): Promise<BatchRecord> {
    const record = await this.records.batches.get(batchId);
    if (record === undefined) throw new Error(`a job without its batch: ${batchId}`);
    return record;
  }

  private async change({ object }: BatchRecord, changed: Partial<BatchRecord['object']>): Promise<void> {
    await this.records.batches.update(object.id, (found) => ({ ...found, object: { ...found.object, ...changed } }));
  }
}

function scriptOf({ messages }: ChatRequest): { verb: string; tokens: string[] } {
  const { content } = messages[messages.length - 1];
  const [verb, rest = ''] = typeof content === 'string' ? content.split(': ') : ['say', 'a document'];
  return { verb, tokens: rest.split('|') };
}

function failure(error: MadakvError): { status: number; body: object } {
  return { status: error.httpStatus, body: errorBody(error) };
}

function completion(id: string, { model }: ChatRequest, tokens: readonly string[]): ChatCompletion {
  const message = { role: 'assistant', content: tokens.join(''), refusal: null } as const;
  return {
    id,
    object: 'chat.completion',
    created: 1_700_000_000,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: tokens.length, total_tokens: 5 + tokens.length },
    madakv: {
      trace_id: id,
      policy: 'madakv',
      cache_ratio: 0.2,
      requested_cache_ratio: 0.2,
      prompt_tokens: { text: 5 },
      bytes: { full: 100, peak: 60, kept: 20 },
      warnings: [],
    },
  };
}

/** Between two looks at Redis. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
