import {
  BatchLineSchema,
  batchResultId,
  BatchResultSchema,
  ErrorBodySchema,
  lineRequestId,
  RequestAnswerSchema,
  storeKeys,
  UsageSchema,
  type BatchRecord,
  type BatchResult,
  type LineOutcome,
} from '@madakv/contracts';
import type { OutcomeRepository } from '@madakv/records';
import { scanLines, StorageError, type FileLine, type FileStore } from '@madakv/storage';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { LineIndex, type IndexedLine, type LineError } from './line.index.js';

/** Longest line that is read, in bytes. */
const MAX_LINE_BYTES = 100 * 1024 ** 2;
/** Outcomes that are asked for at a time. */
const OUTCOMES_AT_A_TIME = 1_000;
/** Answers of failed lines that are read at a time, and in one look: the others follow with the next. */
const READS_AT_A_TIME = 8;
const READS_A_LOOK = 400;

/** A name that is too long is none, as for whoever runs the line. */
const NamedSchema = z.object({ custom_id: BatchLineSchema.shape.custom_id });

/** Learns what became of a batch's lines: of one that runs from its outcomes, of one that has ended from its files. */
export class LineIndexBuilder {
  constructor(
    private readonly store: Pick<FileStore, 'get'>,
    private readonly outcomes: Pick<OutcomeRepository, 'ofLines'>,
  ) {}

  /** The lines of the input file; none where it is gone. */
  async ofInput({ inputKey, object }: BatchRecord): Promise<LineIndex> {
    const index = new LineIndex(object.id);
    for await (const line of this.linesOf(inputKey)) {
      index.add(line.line, NamedSchema.safeParse(parsed(line)).data?.custom_id ?? null);
    }
    return index;
  }

  /** Looks for outcomes of lines that had none. */
  async update(index: LineIndex): Promise<void> {
    const waiting = index.lines.filter(({ status }) => status === 'waiting');
    const failed: { entry: IndexedLine; key: string }[] = [];
    for (let at = 0; at < waiting.length; at += OUTCOMES_AT_A_TIME) {
      const entries = waiting.slice(at, at + OUTCOMES_AT_A_TIME);
      const outcomes = await this.outcomes.ofLines(
        index.batchId,
        entries.map(({ line }) => line),
      );
      for (const [i, outcome] of outcomes.entries()) this.apply(index, entries[i], outcome, failed);
    }
    for (let at = 0; at < Math.min(failed.length, READS_A_LOOK); at += READS_AT_A_TIME) {
      const part = failed.slice(at, Math.min(at + READS_AT_A_TIME, READS_A_LOOK));
      const errors = await Promise.all(part.map(({ key }) => this.errorOf(key)));
      for (const [i, { entry, key }] of part.entries()) index.fail(entry, { kind: 'answer', key }, errors[i]);
    }
  }

  /** The results in a batch's output and error file. */
  async addResults(index: LineIndex, fileIds: readonly (string | undefined)[]): Promise<void> {
    const byId = new Map(index.lines.map((entry) => [batchResultId(lineRequestId(index.batchId, entry.line)), entry]));
    for (const fileId of fileIds) {
      if (fileId === undefined) continue;
      const key = storeKeys.file(fileId);
      for await (const line of this.linesOf(key)) {
        const result = BatchResultSchema.safeParse(parsed(line)).data;
        if (result === undefined) continue;
        // Where the input file is gone, only the results know which lines there were.
        const number = lineNumber(result);
        const entry = index.get(number) ?? byId.get(result.id) ?? index.add(number, result.custom_id);
        const place = { kind: 'file', key, start: line.start, length: line.length } as const;
        const error = resultError(result);
        if (error === undefined) index.complete(entry, place, tokensOf(result.response?.body ?? {}));
        else index.fail(entry, place, error);
      }
    }
    index.lines.sort((a, b) => a.line - b.line);
  }

  private apply(
    index: LineIndex,
    entry: IndexedLine,
    outcome: LineOutcome | undefined,
    failed: { entry: IndexedLine; key: string }[],
  ): void {
    if (outcome === undefined) return;
    if (outcome.state === 'completed') {
      const { prompt_tokens: prompt = 0, completion_tokens: completion = 0 } = outcome.usage ?? {};
      index.complete(entry, { kind: 'answer', key: outcome.key }, { prompt, completion });
    } else if (outcome.state === 'refused') {
      const { error, answer } = outcome;
      index.fail(entry, null, error ?? bodyError(answer?.body ?? {}, answer?.status));
    } else failed.push({ entry, key: outcome.key });
  }

  private async errorOf(key: string): Promise<LineError> {
    try {
      const { body, status } = RequestAnswerSchema.parse(JSON.parse(await text(await this.store.get(key))));
      return bodyError(body, status);
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return bodyError({}, 500);
      throw error;
    }
  }

  private async *linesOf(key: string): AsyncGenerator<FileLine, void, undefined> {
    const pieces = await this.store.get(key).catch((error: unknown) => {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    });
    if (pieces === undefined) return;
    try {
      yield* scanLines(pieces, { byte: 0, line: 1 }, MAX_LINE_BYTES);
    } finally {
      pieces.destroy();
    }
  }
}

function parsed({ content }: FileLine): unknown {
  try {
    return content === undefined ? undefined : JSON.parse(content.toString());
  } catch {
    return undefined;
  }
}

function lineNumber({ response, error }: BatchResult): number {
  const suffix = /_(\d+)$/.exec(response?.request_id ?? '')?.[1];
  return suffix === undefined ? (error?.line ?? 0) : Number(suffix);
}

function resultError({ response, error }: BatchResult): LineError | undefined {
  if (response === null) return error ?? { code: 'internal_error', message: '' };
  if (response.status_code >= 200 && response.status_code < 300) return undefined;
  return bodyError(response.body, response.status_code);
}

function bodyError(body: Readonly<Record<string, unknown>>, status = 500): LineError {
  const error = ErrorBodySchema.safeParse(body).data?.error;
  return { code: error?.code ?? 'internal_error', message: error?.message ?? '', status };
}

function tokensOf(body: Readonly<Record<string, unknown>>): { readonly prompt: number; readonly completion: number } {
  const usage = UsageSchema.safeParse(body['usage']).data;
  return { prompt: usage?.prompt_tokens ?? 0, completion: usage?.completion_tokens ?? 0 };
}
