import {
  batchResultId,
  BatchResultSchema,
  lineRequestId,
  MadakvError,
  RequestAnswerSchema,
  type BatchLineDetail,
  type BatchLinePage,
  type BatchRecord,
  type BatchResult,
  type ErrorGroup,
} from '@madakv/contracts';
import { hasEnded, Records } from '@madakv/records';
import { StorageError, type FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import { text } from 'node:stream/consumers';
import { STORE } from '../../gateway.tokens.js';
import { LineIndex, type IndexedLine, type LineFilter, type ResultPlace } from './line.index.js';
import { LineIndexBuilder } from './line.index.builder.js';
import type { ResultSource } from './batch.results.stream.js';
import { isUnanswered, joinedResults, retriesAfter, type EndedBatch, type LaterAnswers } from './retry.chain.js';

/** Lines of all indexes that are held, some tens of megabytes. */
const HELD_LINES = 200_000;
/** Outcomes of a running batch are looked for this often, however many look, in milliseconds. */
const FRESH_MS = 1_000;

interface HeldIndex {
  readonly index: LineIndex;
  readonly ended: boolean;
  updatedAtMs: number;
  /** One at a time: two would count the same failures twice. */
  updating?: Promise<void> | undefined;
  /** What retries have answered of it, and which retries these are. */
  answers?: { readonly of: string; readonly found: Promise<LaterAnswers> } | undefined;
}

/** The lines of batches: in pages, by what they came to, one by one. */
@Injectable()
export class BatchLinesService {
  /** By batch; the one that was asked for last stands last. A promise, so that two who ask at once read the files once. */
  private readonly held = new Map<string, Promise<HeldIndex>>();
  private readonly builder: LineIndexBuilder;

  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(STORE) private readonly store: FileStore,
  ) {
    this.builder = new LineIndexBuilder(store, records.outcomes);
  }

  /** @throws MadakvError not_found */
  async page(tenant: string, id: string, filter: LineFilter, offset: number, limit: number): Promise<BatchLinePage> {
    const record = await this.record(tenant, id);
    const index = await this.indexOf(record);
    const answers = await this.laterAnswers(record, await this.answeringRetries(record));
    const found = index.find(filter);
    const data = found
      .slice(offset, offset + limit)
      .map((entry) => index.objectOf(entry, answers.get(entry.line) ?? null));
    return { object: 'list', data, total: found.length, offset, counts: index.counts() };
  }

  /** @throws MadakvError not_found */
  async errors(tenant: string, id: string): Promise<ErrorGroup[]> {
    return (await this.indexOf(await this.record(tenant, id))).errors();
  }

  /** @throws MadakvError not_found */
  async line(tenant: string, id: string, number: number): Promise<BatchLineDetail> {
    const record = await this.record(tenant, id);
    const index = await this.indexOf(record);
    const entry = index.get(number);
    if (entry === undefined) {
      throw new MadakvError('not_found', `${id} has no line ${number}.`, { param: 'line' });
    }
    const answers = await this.laterAnswers(record, await this.answeringRetries(record));
    const object = index.objectOf(entry, answers.get(entry.line) ?? null);
    return { ...object, result: await this.resultOf(id, entry) };
  }

  /** The index of a batch that has ended: nothing of it changes any more. @throws MadakvError not_found, conflict */
  async ended(tenant: string, id: string): Promise<EndedBatch> {
    const record = await this.record(tenant, id);
    const { status } = record.object;
    if (!hasEnded(status)) {
      throw new MadakvError('conflict', `${id} has not ended: it is ${status}.`, { param: 'id' });
    }
    return { record, index: await this.indexOf(record) };
  }

  /**
   * Results of a batch that has ended. Joined, a line that failed and that a retry has answered since has the retry's.
   * @throws MadakvError not_found, conflict
   */
  async results(tenant: string, id: string, joined: boolean): Promise<ResultSource[]> {
    const batch = await this.ended(tenant, id);
    if (!joined) return [batch];
    const retries = await this.answeringRetries(batch.record);
    const answers = await this.laterAnswers(batch.record, retries);
    const ids = new Set(answers.values());
    const answering: EndedBatch[] = [];
    // Of the others nothing is needed, be their files there or not.
    for (const retry of retries.filter(({ object }) => ids.has(object.id))) {
      answering.push({ record: retry, index: await this.indexOf(retry) });
    }
    return joinedResults(batch, answers, answering);
  }

  /** Of a batch that has ended, the later ones of its chain that have ended with answers which are still there. */
  private async answeringRetries(record: BatchRecord): Promise<readonly BatchRecord[]> {
    if (!hasEnded(record.object.status)) return [];
    const retries = await retriesAfter(this.records.batches, record);
    const isThere = await Promise.all(
      retries.map(async ({ object: { status, output_file_id: fileId } }) => {
        return hasEnded(status) && fileId !== undefined && (await this.records.files.has(fileId));
      }),
    );
    return retries.filter((_, i) => isThere[i]);
  }

  /** What these have answered of a batch's failed lines: found out once, going through one after another. */
  private async laterAnswers(record: BatchRecord, retries: readonly BatchRecord[]): Promise<LaterAnswers> {
    if (retries.length === 0) return new Map();
    const held = await this.heldOf(record);
    const of = retries.map(({ object }) => object.id).join();
    held.answers = held.answers?.of === of ? held.answers : { of, found: this.answersIn(held.index, retries) };
    const { answers } = held;
    try {
      return await answers.found;
    } catch (error) {
      if (held.answers === answers) held.answers = undefined;
      throw error;
    }
  }

  private async answersIn(index: LineIndex, retries: readonly BatchRecord[]): Promise<LaterAnswers> {
    const answers = new Map<number, string>();
    const failed = index.lines.filter((entry) => isUnanswered(entry));
    for (const retry of retries) {
      const later = await this.indexOf(retry);
      for (const { line } of failed) {
        if (!answers.has(line) && later.get(line)?.status === 'completed') answers.set(line, retry.object.id);
      }
    }
    return answers;
  }

  private async record(tenant: string, id: string): Promise<BatchRecord> {
    const record = await this.records.batches.find(tenant, id);
    if (record !== undefined) return record;
    throw new MadakvError('not_found', `No batch found with id '${id.slice(0, 128)}'.`, { param: 'id' });
  }

  private async indexOf(record: BatchRecord): Promise<LineIndex> {
    return (await this.heldOf(record)).index;
  }

  private async heldOf(record: BatchRecord): Promise<HeldIndex> {
    const { id, status } = record.object;
    const ended = hasEnded(status);
    let made = this.held.get(id);
    if (made !== undefined && (await made).ended !== ended) made = undefined;
    made ??= this.build(record, ended);
    this.held.delete(id);
    this.held.set(id, made);
    try {
      const held = await made;
      if (!ended) await this.refresh(held);
      // Nobody waits for it: it waits for the indexes of others.
      void this.shrink(id);
      return held;
    } catch (error) {
      this.held.delete(id);
      throw error;
    }
  }

  private async refresh(held: HeldIndex): Promise<void> {
    if (held.updating === undefined && Date.now() - held.updatedAtMs < FRESH_MS) return;
    held.updating ??= this.builder.update(held.index).finally(() => {
      held.updating = undefined;
      held.updatedAtMs = Date.now();
    });
    await held.updating;
  }

  private async build(record: BatchRecord, ended: boolean): Promise<HeldIndex> {
    const index = await this.builder.ofInput(record);
    const { output_file_id, error_file_id } = record.object;
    if (ended) {
      await this.builder.addResults(index, [output_file_id, error_file_id]);
      index.close();
    }
    return { index, ended, updatedAtMs: 0 };
  }

  private async shrink(keep: string): Promise<void> {
    let lines = 0;
    for (const [id, made] of [...this.held].reverse()) {
      const held = await made.catch(() => undefined);
      lines += held?.index.lines.length ?? 0;
      if (id !== keep && lines > HELD_LINES) this.held.delete(id);
    }
  }

  private async resultOf(batchId: string, { line, customId, place }: IndexedLine): Promise<BatchResult | null> {
    const content = place === null ? undefined : await this.read(place);
    if (content === undefined || place === null) return null;
    if (place.kind === 'file') return BatchResultSchema.parse(JSON.parse(content));
    const request_id = lineRequestId(batchId, line);
    const { status: status_code, body } = RequestAnswerSchema.parse(JSON.parse(content));
    const response = { status_code, request_id, body };
    return { id: batchResultId(request_id), custom_id: customId, response, error: null };
  }

  private async read(place: ResultPlace): Promise<string | undefined> {
    const range = place.kind === 'file' ? { start: place.start, length: place.length } : undefined;
    try {
      return await text(await this.store.get(place.key, range));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
}
