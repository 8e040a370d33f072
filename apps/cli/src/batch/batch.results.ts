import { BatchResultSchema, ChatCompletionSchema, ErrorBodySchema, type BatchResult } from '@madakv/contracts';
import { WarnedSummarySchema, warningsOf, type AnswerWarning } from '../api/answer.warnings.js';
import { lines } from '../api/event.stream.js';
import { UnexpectedAnswerError } from '../api/api.errors.js';
import type { WorkItem } from './batch.work.js';

const WarnedCompletionSchema = ChatCompletionSchema.extend({ madakv: WarnedSummarySchema });

/** The answer to one line, as far as a table shows it. */
export interface AnswerRow {
  readonly answer: string;
  /** Bytes that the cache kept over the bytes of all of it. */
  readonly cacheKept: number | undefined;
  readonly promptTokens: number | undefined;
  readonly bytesFull: number | undefined;
  readonly bytesKept: number | undefined;
  /** Id for the trace. */
  readonly traceId: string | undefined;
  readonly warnings: readonly AnswerWarning[];
  /** Empty where the line was answered. */
  readonly error: string;
}

/** Results of a batch, found by line number or custom_id. */
export class BatchResults {
  private readonly byLine = new Map<number, BatchResult>();
  private readonly byId = new Map<string, BatchResult>();

  /** @param content of an output or error file */
  async add(content: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const text of lines(content)) {
      if (text === '') continue;
      const result = resultOf(text);
      if (result.error?.line !== undefined) this.byLine.set(result.error.line, result);
      else if (result.custom_id !== null) this.byId.set(result.custom_id, result);
    }
  }

  /** A complaint about a line wins: of lines with the same custom_id only the first is answered. */
  of({ line, customId }: WorkItem): BatchResult | undefined {
    return this.byLine.get(line) ?? (customId === undefined ? undefined : this.byId.get(customId));
  }
}

export function answerRow(result: BatchResult | undefined): AnswerRow {
  const completion = WarnedCompletionSchema.safeParse(result?.response?.body);
  if (result?.response?.status_code === 200 && completion.success) {
    const { choices, usage, madakv } = completion.data;
    return {
      answer: choices.map(({ message }) => message.content).join('\n'),
      cacheKept: madakv.bytes.full === 0 ? undefined : madakv.bytes.kept / madakv.bytes.full,
      promptTokens: usage.prompt_tokens,
      bytesFull: madakv.bytes.full,
      bytesKept: madakv.bytes.kept,
      traceId: madakv.trace_id,
      warnings: warningsOf(madakv),
      error: '',
    };
  }
  return problemRow(result === undefined ? 'no_result: the server has no result for this line' : problemOf(result));
}

/** A line without an answer. @param error why, as `code: message` */
export function problemRow(error: string): AnswerRow {
  return {
    answer: '',
    cacheKept: undefined,
    promptTokens: undefined,
    bytesFull: undefined,
    bytesKept: undefined,
    traceId: undefined,
    warnings: [],
    error,
  };
}

function problemOf({ error, response }: BatchResult): string {
  if (error !== null) {
    const { code, message, line } = error;
    return `${code}: ${line === undefined || message.includes(`line ${line}`) ? '' : `line ${line}: `}${message}`;
  }
  const body = ErrorBodySchema.safeParse(response?.body);
  if (body.success) return `${body.data.error.code ?? body.data.error.type}: ${body.data.error.message}`;
  return response === null ? 'neither an answer nor an error' : `status ${response.status_code}`;
}

function resultOf(text: string): BatchResult {
  try {
    return BatchResultSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new UnexpectedAnswerError('a result file of the server holds a line that is not a result', { cause });
  }
}
