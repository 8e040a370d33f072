import { lineRequestId, MadakvError, type BatchRecord, type LineRefusal, type RequestJob } from '@madakv/contracts';
import type { JobQueues } from '@madakv/queue';
import type { Records } from '@madakv/records';
import { currentTraceparent, recordedSpan, withSpan } from '@madakv/telemetry';
import type { BatchInput } from './batch.input.js';
import { checkLine } from './batch.line.js';
import type { FileLine } from './line.scanner.js';

/** What a window of lines comes to. */
interface Window {
  readonly refusals: readonly (readonly [line: number, refusal: LineRefusal])[];
  /** Without their fair tags. */
  readonly jobs: readonly RequestJob[];
  readonly next: BatchRecord['cursor'];
}

/** Puts the lines of a batch into the queues, a window at a time. */
export class BatchExpansion {
  constructor(
    private readonly records: Pick<Records, 'batches' | 'models' | 'outcomes' | 'shares'>,
    private readonly queues: Pick<JobQueues, 'absentLines' | 'addLines'>,
    private readonly input: BatchInput,
    /** Lines of a window. */
    private readonly size: number,
  ) {}

  /**
   * Refuses the bad lines of the next window, adds the others as children of the batch's job, and moves the cursor beyond
   * them. Whoever dies on the way leaves the cursor; doing it again adds only what is neither queued nor ended.
   * @returns false when there are no lines left
   */
  async expand(record: BatchRecord, signal?: AbortSignal): Promise<boolean> {
    const window = await this.read(record, signal);
    if (window === undefined) return false;
    const { id } = record.object;
    await this.records.outcomes.refuse(id, window.refusals);
    const missing = await this.missing(id, window.jobs);
    signal?.throwIfAborted();
    const tagged = await this.tagged(missing);
    await withSpan('expand', { attributes: { batchId: id, batchLines: tagged.length } }, () =>
      this.queues.addLines(id, tagged, lineTrace),
    );
    const lost = await this.missing(id, missing);
    if (lost.length > 0) {
      throw new MadakvError('storage_unavailable', `${lost.length} lines of ${id} could not be added to their queues`);
    }
    await this.records.batches.update(id, (found) =>
      found.cursor.byte === record.cursor.byte ? { ...found, cursor: window.next } : undefined,
    );
    return true;
  }

  private async read(record: BatchRecord, signal?: AbortSignal): Promise<Window | undefined> {
    const models = new Set((await this.records.models.list()).map(({ id }) => id));
    const refusals: [number, LineRefusal][] = [];
    const jobs: RequestJob[] = [];
    let next: Window['next'] | undefined;
    for await (const line of this.input.lines(record, record.cursor, signal)) {
      const checked = checkLine(line, models, this.input.maxLineBytes);
      if (checked.state === 'refused') refusals.push([line.line, checked]);
      else jobs.push(requestJob(record, line, checked.model));
      next = line.next;
      if (refusals.length + jobs.length === this.size) break;
    }
    return next === undefined ? undefined : { refusals, jobs, next };
  }

  /** In this order: a line that ends in between has an outcome before it leaves its queue. */
  private async missing(batchId: string, jobs: readonly RequestJob[]): Promise<RequestJob[]> {
    const absent = await this.queues.absentLines(jobs);
    const lines = absent.map(({ source }) => (source.kind === 'line' ? source.line : 0));
    const outcomes = await this.records.outcomes.ofLines(batchId, lines);
    return absent.filter((_, i) => outcomes[i] === undefined);
  }

  private async tagged(jobs: readonly RequestJob[]): Promise<RequestJob[]> {
    const tagged: RequestJob[] = [];
    for (const model of new Set(jobs.map((job) => job.model))) {
      const ofModel = jobs.filter((job) => job.model === model);
      const tags = await this.records.shares.reserve(model, ofModel[0].tenant, ofModel.length);
      tagged.push(...ofModel.map((job, i) => ({ ...job, fairTag: tags[i] })));
    }
    return tagged;
  }
}

function requestJob({ tenant, inputKey, object }: BatchRecord, line: FileLine, model: string): RequestJob {
  const { id: batchId, created_at, expires_at } = object;
  return {
    requestId: lineRequestId(batchId, line.line),
    tenant,
    model,
    source: {
      kind: 'line',
      batchId,
      line: line.line,
      fileKey: inputKey,
      start: line.start,
      length: line.length,
    },
    acceptedAtMs: created_at * 1_000,
    ...(expires_at === undefined ? {} : { expiresAtMs: expires_at * 1_000 }),
  };
}

/** Begins a trace for a line, linked to the active span. @returns its traceparent */
function lineTrace({ requestId, tenant, model, source }: RequestJob): string | undefined {
  const line = source.kind === 'line' ? { batchId: source.batchId, batchLine: source.line } : {};
  const now = Date.now();
  return recordedSpan('line', {
    root: true,
    links: [currentTraceparent()],
    attributes: { requestId, tenant, model, ...line },
    startMs: now,
    endMs: now,
  });
}
