import {
  batchResultId,
  batchUsage,
  lineRequestId,
  RequestAnswerSchema,
  storeKeys,
  type BatchObject,
  type BatchRecord,
  type BatchResult,
  type FileRecord,
  type LineOutcome,
  type RequestAnswer,
} from '@madakv/contracts';
import type { FileRepository, OutcomeRepository } from '@madakv/records';
import { StorageError, type FileStore, type FileWriter, type PutResult } from '@madakv/storage';
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import type { BatchInput } from './batch.input.js';
import { lineCustomId } from './batch.line.js';

/** Answers that are read from the store at a time. */
const READ_AHEAD = 16;
/** Lines whose outcomes are asked for at a time. */
const OUTCOMES_AHEAD = 256;

/** What a batch without an outcome for a line says of it. */
const UNANSWERED = {
  expired: { code: 'batch_expired', message: 'the batch expired before this request was answered' },
  cancelled: { code: 'batch_cancelled', message: 'the batch was cancelled before this request was answered' },
  none: { code: 'internal_error', message: 'the request failed for good without an answer' },
} as const;

/** What a batch's end adds to its object. */
export type BatchResults = Pick<BatchObject, 'output_file_id' | 'error_file_id' | 'request_counts' | 'usage'>;

interface Sums {
  completed: number;
  failed: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}

/** Writes the answers of a batch, in the order of its lines, into its output file (2xx) and its error file (all others). */
export class BatchResultWriter {
  constructor(
    private readonly files: Pick<FileRepository, 'create' | 'delete'>,
    private readonly outcomes: Pick<OutcomeRepository, 'ofLines'>,
    private readonly store: Pick<FileStore, 'get' | 'createWriter' | 'delete'>,
    private readonly input: BatchInput,
  ) {}

  /**
   * Every line gets one result, in one of the two files; a file without lines is not there. Doing it again replaces both.
   * The batch must be closed: outcomes do not change any more.
   * @throws InputFileMissing
   */
  async write(record: BatchRecord, signal?: AbortSignal): Promise<BatchResults> {
    const { id } = record.object;
    const output = new ResultFile(this.store, id, 'output');
    const errors = new ResultFile(this.store, id, 'error');
    const sums: Sums = { completed: 0, failed: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    let ids: Pick<BatchResults, 'output_file_id' | 'error_file_id'>;
    try {
      for await (const { result, outcome } of this.results(record, signal)) {
        const status = result.response?.status_code ?? 0;
        const completed = status >= 200 && status < 300;
        count(sums, completed, outcome);
        await (completed ? output : errors).write(result);
      }
      ids = { ...(await this.publish(record, output)), ...(await this.publish(record, errors)) };
    } catch (error) {
      await output.abort();
      await errors.abort();
      throw error;
    }
    const { completed, failed, promptTokens, cachedTokens, completionTokens } = sums;
    return {
      ...ids,
      request_counts: { total: completed + failed, completed, failed },
      ...(completed === 0 ? {} : { usage: batchUsage(promptTokens, cachedTokens, completionTokens) }),
    };
  }

  private async *results(
    record: BatchRecord,
    signal?: AbortSignal,
  ): AsyncGenerator<{ result: BatchResult; outcome: LineOutcome | undefined }, void, undefined> {
    const outcomes = new OutcomeWindow(this.outcomes, record.object.id);
    let pending: Promise<{ result: BatchResult; outcome: LineOutcome | undefined }>[] = [];
    for await (const line of this.input.lines(record, { byte: 0, line: 1 }, signal)) {
      const outcome = await outcomes.of(line.line);
      const customId = lineCustomId(line);
      const result = this.result(record, line.line, customId, outcome).then((made) => ({ result: made, outcome }));
      // Awaited in order below; one that fails before its turn must not go unheard.
      result.catch(() => undefined);
      pending.push(result);
      if (pending.length === READ_AHEAD) {
        for (const made of pending) yield await made;
        pending = [];
      }
    }
    for (const made of pending) yield await made;
  }

  private async result(
    { ending, object }: BatchRecord,
    line: number,
    customId: string | null,
    outcome: LineOutcome | undefined,
  ): Promise<BatchResult> {
    const requestId = lineRequestId(object.id, line);
    const base = { id: batchResultId(requestId), custom_id: customId };
    const response = (status_code: number, body: Record<string, unknown>): BatchResult => ({
      ...base,
      response: { status_code, request_id: requestId, body },
      error: null,
    });
    const unanswered = { ...base, response: null, error: { ...UNANSWERED[ending ?? 'none'], line } };
    if (outcome === undefined) return unanswered;
    if (outcome.state === 'refused') {
      if (outcome.answer !== null) return response(outcome.answer.status, outcome.answer.body);
      return { ...base, response: null, error: outcome.error === null ? null : { ...outcome.error, line } };
    }
    const answer = await this.answer(outcome.key);
    if (answer === undefined) return { ...unanswered, error: { ...UNANSWERED.none, line } };
    // A request that was stopped because its batch ends is as one that never ran.
    if (ending !== null && answer.status === CANCELLED_STATUS) return unanswered;
    return response(answer.status, answer.body);
  }

  private async answer(key: string): Promise<RequestAnswer | undefined> {
    try {
      return RequestAnswerSchema.parse(JSON.parse(await text(await this.store.get(key))));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  /** @returns the file's id as the batch names it, or nothing where it has no lines */
  private async publish(
    { tenant, object, outputExpirySeconds }: BatchRecord,
    file: ResultFile,
  ): Promise<Record<string, string>> {
    const stored = await file.commit();
    if (stored === undefined) {
      await this.files.delete(tenant, file.id);
      await this.store.delete(storeKeys.file(file.id));
      return {};
    }
    const created_at = object.finalizing_at ?? object.cancelling_at ?? object.created_at;
    const created: FileRecord = {
      tenant,
      key: storeKeys.file(file.id),
      sha256: stored.sha256,
      object: {
        id: file.id,
        object: 'file',
        bytes: stored.bytes,
        created_at,
        ...(outputExpirySeconds === undefined ? {} : { expires_at: created_at + outputExpirySeconds }),
        filename: file.name,
        purpose: 'batch_output',
        status: 'processed',
      },
    };
    await this.files.create(created);
    return { [`${file.kind}_file_id`]: file.id };
  }
}

/** A file that is begun with its first line. */
class ResultFile {
  private writer: FileWriter | undefined;

  readonly id: string;
  readonly name: string;

  constructor(
    private readonly store: Pick<FileStore, 'createWriter'>,
    batchId: string,
    readonly kind: 'output' | 'error',
  ) {
    this.id = resultFileId(batchId, kind);
    this.name = `${batchId}_${kind}.jsonl`;
  }

  async write(result: BatchResult): Promise<void> {
    this.writer ??= this.store.createWriter(storeKeys.file(this.id));
    await this.writer.write(`${JSON.stringify(result)}\n`);
  }

  async commit(): Promise<PutResult | undefined> {
    return this.writer?.commit();
  }

  async abort(): Promise<void> {
    await this.writer?.abort();
  }
}

/** Outcomes of lines that are asked for in ascending order. */
class OutcomeWindow {
  private first = 0;
  private held: (LineOutcome | undefined)[] = [];

  constructor(
    private readonly outcomes: Pick<OutcomeRepository, 'ofLines'>,
    private readonly batchId: string,
  ) {}

  async of(line: number): Promise<LineOutcome | undefined> {
    if (line >= this.first + this.held.length) {
      this.first = line;
      const lines = Array.from({ length: OUTCOMES_AHEAD }, (_, i) => line + i);
      this.held = await this.outcomes.ofLines(this.batchId, lines);
    }
    return this.held[line - this.first];
  }
}

const CANCELLED_STATUS = 499;

function count(sums: Sums, completed: boolean, outcome: LineOutcome | undefined): void {
  if (!completed) {
    sums.failed++;
    return;
  }
  sums.completed++;
  if (outcome?.state !== 'completed') return;
  sums.promptTokens += outcome.usage?.prompt_tokens ?? 0;
  sums.cachedTokens += outcome.usage?.prompt_tokens_details?.cached_tokens ?? 0;
  sums.completionTokens += outcome.usage?.completion_tokens ?? 0;
}

/** The same for the same batch, so that writing its results again replaces them. */
function resultFileId(batchId: string, kind: 'output' | 'error'): string {
  return `file-${digest(`${batchId}:${kind}`)}`;
}

function digest(of: string): string {
  return createHash('sha256').update(of).digest('hex').slice(0, 24);
}
