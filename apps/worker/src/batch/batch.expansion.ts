import {
  isGroupJob,
  lineGroupId,
  lineRequestId,
  MadakvError,
  requestsOf,
  type BatchRecord,
  type LineRefusal,
  type ModelJob,
  type RequestJob,
} from '@madakv/contracts';
import type { JobQueues } from '@madakv/queue';
import type { Records } from '@madakv/records';
import { currentTraceparent, recordedSpan, withSpan } from '@madakv/telemetry';
import type { BatchOrder, OrderedRow } from './batch.order.js';

/** What a window of lines comes to. */
interface Window {
  readonly refusals: readonly (readonly [line: number, refusal: LineRefusal])[];
  /** Without their fair tags. */
  readonly jobs: readonly ModelJob[];
  /** First byte of the order that was not read. */
  readonly next: number;
}

type Order = NonNullable<BatchRecord['order']>;
type RunnableRow = Extract<OrderedRow, { lines: unknown }>;

/** Puts the lines of a batch into the queues, a window at a time: those about one document as one job. */
export class BatchExpansion {
  constructor(
    private readonly records: Pick<Records, 'batches' | 'outcomes' | 'shares'>,
    private readonly queues: Pick<JobQueues, 'absentLines' | 'exist' | 'addLines'>,
    private readonly order: BatchOrder,
    /** Lines after which a window takes no more groups. */
    private readonly size: number,
  ) {}

  /**
   * Refuses the bad lines of the next window, adds the others as children of the batch's job, and moves on beyond them. Whoever
   * dies on the way leaves the place as it was; doing it again adds only what is neither queued nor ended.
   * @returns false when there are no lines left
   */
  async expand(record: BatchRecord, signal?: AbortSignal): Promise<boolean> {
    const { id } = record.object;
    if (record.order === undefined) {
      const order = { key: await this.order.write(record, signal), window: 0, byte: 0 };
      await this.records.batches.update(id, (found) => (found.order === undefined ? { ...found, order } : undefined));
      return true;
    }
    const window = await this.read(record, record.order, signal);
    if (window === undefined) return false;
    await this.records.outcomes.refuse(id, window.refusals);
    const missing = await this.missing(id, window.jobs);
    signal?.throwIfAborted();
    const tagged = await this.tagged(missing);
    await withSpan('expand', { attributes: { batchId: id, batchLines: tagged.flatMap(requestsOf).length } }, () =>
      this.queues.addLines(id, tagged.map(withTraces), { traceparentOf: lineTrace }),
    );
    const lost = (await this.missing(id, missing)).flatMap(requestsOf);
    if (lost.length > 0) {
      // Of a batch that was cancelled meanwhile, lines that wait are taken out.
      if ((await this.records.batches.get(id))?.ending != null) return true;
      throw new MadakvError('storage_unavailable', `${lost.length} lines of ${id} could not be added to their queues`);
    }
    const { key, byte } = record.order;
    await this.records.batches.update(id, (found) =>
      found.order?.byte === byte ? { ...found, order: { key, window: byte, byte: window.next } } : undefined,
    );
    return true;
  }

  /** Requests that were in the queues and have come to nothing: only those that were put there last can be. */
  async unanswered({ object, order }: BatchRecord): Promise<string[]> {
    if (order === undefined) return [];
    const lines: number[] = [];
    for await (const row of this.order.rows(order.key, order.window)) {
      if (row.next > order.byte) break;
      if ('lines' in row) lines.push(...row.lines.map(([line]) => line));
    }
    const outcomes = await this.records.outcomes.ofLines(object.id, lines);
    return lines.filter((_, i) => outcomes[i] === undefined).map((line) => lineRequestId(object.id, line));
  }

  private async read(record: BatchRecord, { key, byte }: Order, signal?: AbortSignal): Promise<Window | undefined> {
    const refusals: [number, LineRefusal][] = [];
    const jobs: ModelJob[] = [];
    let lines = 0;
    let next: number | undefined;
    for await (const row of this.order.rows(key, byte, signal)) {
      next = row.next;
      if ('refused' in row) refusals.push([row.line, row.refused]);
      else jobs.push(jobOf(record, row));
      lines += 'refused' in row ? 1 : row.lines.length;
      if (lines >= this.size) break;
    }
    return next === undefined ? undefined : { refusals, jobs, next };
  }

  /**
   * What is neither queued nor ended, with the same ids. A line of a group may have got jobs of its own, before the group's ended;
   * one that ends in between has an outcome before it leaves its queue: hence the order of these three looks.
   */
  private async missing(batchId: string, jobs: readonly ModelJob[]): Promise<ModelJob[]> {
    const groups = jobs.filter(isGroupJob);
    const there = await this.queues.exist(groups.map(({ model, groupId }) => ({ model, jobId: groupId })));
    const running = new Set<ModelJob>(groups.filter((_, i) => there[i]));
    const lines = jobs.filter((job) => !running.has(job)).flatMap(requestsOf);
    const absent = await this.queues.absentLines(lines);
    const outcomes = await this.records.outcomes.ofLines(batchId, absent.map(lineOf));
    const missing = new Set(absent.filter((_, i) => outcomes[i] === undefined));
    return jobs.flatMap((job): ModelJob[] => {
      if (running.has(job)) return [];
      if (!isGroupJob(job)) return missing.has(job) ? [job] : [];
      const members = job.members.filter((member) => missing.has(member));
      return members.length === 0 ? [] : [{ ...job, members }];
    });
  }

  private async tagged(jobs: readonly ModelJob[]): Promise<ModelJob[]> {
    const tags = new Map<string, number>();
    for (const model of new Set(jobs.map((job) => job.model))) {
      const lines = jobs.filter((job) => job.model === model).flatMap(requestsOf);
      const reserved = await this.records.shares.reserve(model, lines[0].tenant, lines.length);
      lines.forEach(({ requestId }, i) => tags.set(requestId, reserved[i]));
    }
    const tag = (job: RequestJob): RequestJob => ({ ...job, fairTag: tags.get(job.requestId) });
    return jobs.map((job) => (isGroupJob(job) ? { ...job, members: job.members.map(tag) } : tag(job)));
  }
}

/** A group of one is a line by itself. */
function jobOf(record: BatchRecord, { model, lines, tokens }: RunnableRow): ModelJob {
  const { tenant, object } = record;
  const members = lines.map((place, i) => requestJob(record, place, model, tokens?.[i]));
  if (members.length === 1) return members[0];
  return { groupId: lineGroupId(object.id, lines[0][0]), tenant, model, batchId: object.id, members };
}

function requestJob(
  { tenant, inputKey, object }: BatchRecord,
  [line, start, length]: RunnableRow['lines'][number],
  model: string,
  reservedTokens: number | undefined,
): RequestJob {
  const { id: batchId, created_at, expires_at } = object;
  return {
    requestId: lineRequestId(batchId, line),
    tenant,
    model,
    source: { kind: 'line', batchId, line, fileKey: inputKey, start, length },
    acceptedAtMs: created_at * 1_000,
    ...(expires_at === undefined ? {} : { expiresAtMs: expires_at * 1_000 }),
    ...(reservedTokens === undefined ? {} : { reservedTokens }),
  };
}

function lineOf({ source }: RequestJob): number {
  return source.kind === 'line' ? source.line : 0;
}

/** Lines of a group carry their traces themselves; a line by itself has its job's. */
function withTraces(job: ModelJob): ModelJob {
  if (!isGroupJob(job)) return job;
  return { ...job, members: job.members.map((member) => ({ ...member, traceparent: lineTrace(member) })) };
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
