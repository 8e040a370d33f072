import {
  adviceOf,
  lineRequestId,
  mayPass,
  type BatchLineObject,
  type ErrorGroup,
  type LineStatus,
} from '@madakv/contracts';

/** Lines of a group that are named. */
const NAMED = 20;

/** Where a line's result lies, once it has one. */
export type ResultPlace =
  | { readonly kind: 'file'; readonly key: string; readonly start: number; readonly length: number }
  /** FileStore key of a RequestAnswer. */
  | { readonly kind: 'answer'; readonly key: string };

/** What is known of one line. */
export interface IndexedLine {
  readonly line: number;
  customId: string | null;
  status: LineStatus;
  errorCode: string | null;
  promptTokens: number | null;
  completionTokens: number | null;
  place: ResultPlace | null;
}

export interface LineFilter {
  readonly status?: LineStatus | undefined;
  readonly code?: string | undefined;
  /** Part of a custom_id, whatever its case. */
  readonly search?: string | undefined;
}

/** What a line failed of. */
export interface LineError {
  readonly code: string;
  readonly message: string;
  /** Of its answer; undefined for a line that was never asked. */
  readonly status?: number;
}

/** The lines of one batch in the order of their numbers, in memory: some hundred bytes each. */
export class LineIndex {
  readonly lines: IndexedLine[] = [];
  private readonly byNumber = new Map<number, IndexedLine>();
  private readonly groups = new Map<string, { readonly error: LineError; count: number; readonly lines: number[] }>();

  constructor(readonly batchId: string) {}

  /** @param line above all that were added before */
  add(line: number, customId: string | null): IndexedLine {
    const entry: IndexedLine = {
      line,
      customId,
      status: 'waiting',
      errorCode: null,
      promptTokens: null,
      completionTokens: null,
      place: null,
    };
    this.lines.push(entry);
    this.byNumber.set(line, entry);
    return entry;
  }

  get(line: number): IndexedLine | undefined {
    return this.byNumber.get(line);
  }

  complete(
    entry: IndexedLine,
    place: ResultPlace,
    tokens: { readonly prompt: number; readonly completion: number },
  ): void {
    entry.status = 'completed';
    entry.place = place;
    entry.promptTokens = tokens.prompt;
    entry.completionTokens = tokens.completion;
  }

  fail(entry: IndexedLine, place: ResultPlace | null, error: LineError): void {
    entry.status = 'failed';
    entry.place = place;
    entry.errorCode = error.code;
    const group = this.groups.get(error.code) ?? { error, count: 0, lines: [] };
    group.count++;
    if (group.lines.length < NAMED) group.lines.push(entry.line);
    this.groups.set(error.code, group);
  }

  /** Nothing more will be known of lines that have come to nothing yet. */
  close(): void {
    for (const entry of this.lines) if (entry.status === 'waiting') entry.status = 'unknown';
  }

  counts(): Record<LineStatus, number> {
    const counts = { waiting: 0, completed: 0, failed: 0, unknown: 0 };
    for (const { status } of this.lines) counts[status]++;
    return counts;
  }

  find({ status, code, search }: LineFilter): IndexedLine[] {
    const part = search?.toLowerCase();
    return this.lines.filter(
      (line) =>
        (status === undefined || line.status === status) &&
        (code === undefined || line.errorCode === code) &&
        (part === undefined || (line.customId?.toLowerCase().includes(part) ?? false)),
    );
  }

  /** The most frequent first. */
  errors(): ErrorGroup[] {
    return [...this.groups.values()]
      .map(({ error: { code, message, status }, count, lines }) => ({
        code,
        count,
        retryable: mayPass(code, status),
        message,
        advice: adviceOf(code, status),
        lines,
      }))
      .sort((a, b) => b.count - a.count);
  }

  /** @param answeredBy the retry that answered it */
  objectOf(entry: IndexedLine, answeredBy: string | null): BatchLineObject {
    const { line, customId, status, errorCode, promptTokens, completionTokens } = entry;
    return {
      line,
      custom_id: customId,
      request_id: lineRequestId(this.batchId, line),
      status,
      error_code: errorCode,
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      answered_by: answeredBy,
    };
  }
}
