import {
  BatchResultSchema,
  CacheSummarySchema,
  MadakvError,
  storeKeys,
  type BatchRecord,
  type BatchResult,
} from '@madakv/contracts';
import { safeCell } from '@madakv/insight';
import { scanLines, StorageError, type FileStore } from '@madakv/storage';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import type { LineIndex } from './line.index.js';

/** Longest result, in bytes. */
const MAX_LINE_BYTES = 100 * 1024 ** 2;

const COLUMNS = [
  'line',
  'custom_id',
  'status',
  'answer',
  'error_code',
  'error_message',
  'prompt_tokens',
  'completion_tokens',
  'cache_ratio',
  'answered_by',
] as const;

const AnswerSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }),
  madakv: CacheSummarySchema.pick({ cache_ratio: true }).optional(),
});
const FailureSchema = z.object({ error: z.object({ code: z.string().nullable(), message: z.string() }) });

/** A batch that has ended, and what is told of it. */
export interface ResultSource {
  readonly record: BatchRecord;
  readonly index: LineIndex;
  /** Whether a line of it is told; all are by default. */
  readonly tells?: (line: number) => boolean;
  /** It answers lines of another batch: nothing but answers is told of it, each marked with its id. */
  readonly isRetry?: boolean;
}

interface ResultLine {
  readonly line: number;
  readonly content: Buffer;
  /** Id of the retry that it is of. */
  readonly answeredBy: string | undefined;
}

/**
 * All results of a batch that has ended, in the order of its lines, as JSON Lines.
 * @param batches the batch, and retries that have answered lines of it
 * @throws MadakvError not_found with the first piece, where one of its files is gone
 */
export async function* resultsAsJsonLines(
  store: Pick<FileStore, 'get'>,
  batches: readonly ResultSource[],
): AsyncGenerator<Buffer | string, void, undefined> {
  for await (const { content, answeredBy } of merged(store, batches)) {
    yield answeredBy === undefined ? content : marked(content, answeredBy);
    yield '\n';
  }
}

/** The same as a table, RFC 4180 with a byte order mark: spreadsheets take it for UTF-8, and no cell for a formula. */
export async function* resultsAsCsv(
  store: Pick<FileStore, 'get'>,
  batches: readonly ResultSource[],
): AsyncGenerator<string, void, undefined> {
  const options = { record_delimiter: 'windows' } as const;
  const results = merged(store, batches);
  try {
    // The files are opened before anything is said of them.
    let next = await results.next();
    yield `\uFEFF${stringify([[...COLUMNS]], options)}`;
    for (; next.done !== true; next = await results.next()) {
      const { line, content, answeredBy } = next.value;
      const result = BatchResultSchema.parse(JSON.parse(content.toString()));
      const row: Row = { ...rowOf(line, result), answered_by: answeredBy };
      yield stringify([COLUMNS.map((column) => safeCell(String(row[column] ?? '')))], options);
    }
  } finally {
    await results.return();
  }
}

type Row = Partial<Record<(typeof COLUMNS)[number], string | number | null | undefined>>;

function rowOf(line: number, { custom_id, response, error }: BatchResult): Row {
  const common = { line, custom_id };
  const answer = AnswerSchema.safeParse(response?.body).data;
  if (answer !== undefined) {
    const { choices, usage, madakv } = answer;
    return {
      ...common,
      status: 'completed',
      answer: choices[0].message.content,
      prompt_tokens: usage.prompt_tokens,
      completion_tokens: usage.completion_tokens,
      cache_ratio: madakv?.cache_ratio,
    };
  }
  const failure = error ?? FailureSchema.safeParse(response?.body).data?.error;
  return { ...common, status: 'failed', error_code: failure?.code, error_message: failure?.message };
}

function marked(content: Buffer, answeredBy: string): string {
  const result = BatchResultSchema.parse(JSON.parse(content.toString()));
  return JSON.stringify({ ...result, madakv: { answered_by: answeredBy } } satisfies BatchResult);
}

/** Output and error files are each in the order of the lines. */
async function* merged(
  store: Pick<FileStore, 'get'>,
  batches: readonly ResultSource[],
): AsyncGenerator<ResultLine, void, undefined> {
  const sources = batches.flatMap((batch) => {
    const { output_file_id, error_file_id } = batch.record.object;
    return [output_file_id, batch.isRetry === true ? undefined : error_file_id].flatMap((fileId) =>
      fileId === undefined ? [] : [resultLines(store, storeKeys.file(fileId), batch)],
    );
  });
  try {
    const heads = await Promise.all(sources.map((source) => source.next()));
    for (;;) {
      let first: number | undefined;
      for (const [i, head] of heads.entries()) {
        if (head.done === true) continue;
        const other = first === undefined ? undefined : heads[first];
        if (other === undefined || other.done === true || head.value.line < other.value.line) first = i;
      }
      if (first === undefined) return;
      yield heads[first].value as ResultLine;
      heads[first] = await sources[first].next();
    }
  } finally {
    // Whoever stops reading leaves no file open.
    await Promise.all(sources.map((source) => source.return()));
  }
}

async function* resultLines(
  store: Pick<FileStore, 'get'>,
  key: string,
  { record, index, tells, isRetry = false }: ResultSource,
): AsyncGenerator<ResultLine, void, undefined> {
  const numbers = new Map<number, number>();
  for (const { line, place } of index.lines) {
    if (place?.kind === 'file' && place.key === key) numbers.set(place.start, line);
  }
  const answeredBy = isRetry ? record.object.id : undefined;
  const pieces = await store.get(key).catch((error: unknown) => {
    if (!(error instanceof StorageError && error.code === 'not_found')) throw error;
    throw new MadakvError('not_found', 'A file of its results has expired or was deleted.', { cause: error });
  });
  try {
    for await (const { start, content } of scanLines(pieces, { byte: 0, line: 1 }, MAX_LINE_BYTES)) {
      const line = numbers.get(start) ?? 0;
      if (content !== undefined && (tells?.(line) ?? true)) yield { line, content, answeredBy };
    }
  } finally {
    pieces.destroy();
  }
}
