import { MAX_BATCH_LINES, MAX_LISTED_ERRORS, MAX_UPLOAD_BYTES, type BatchError } from '@madakv/contracts';
import { createHash } from 'node:crypto';
import { refusalError } from './batch.line.js';
import { checkedLines, type LineRules } from './checked.lines.js';
import type { LineTokens } from './line.tokens.js';
import type { FileLine } from '@madakv/storage';

export interface ValidationRules extends LineRules {
  readonly tokensOf: LineTokens;
}

/** What an input file holds, or why it cannot be run at all. */
export type Validation =
  | {
      readonly state: 'valid';
      /** Lines that are not blank. */
      readonly total: number;
      /** What the lines that can be run are taken for together. */
      readonly tokens: number;
      /** Of all its lines, where they name one only. */
      readonly model: string | undefined;
    }
  | { readonly state: 'invalid'; readonly total: number; readonly errors: readonly BatchError[] };

/** Checks the size of an input file. @returns what is wrong with it */
export function checkSize(bytes: number): BatchError | undefined {
  if (bytes <= MAX_UPLOAD_BYTES) return undefined;
  return fileError('file_too_large', `the input file has ${bytes} bytes; the limit is ${MAX_UPLOAD_BYTES} bytes`);
}

/**
 * Reads an input file to its end. It is bad as a whole when it has no lines or too many, when two lines have the same
 * custom_id, and when none of its lines can be run. Single bad lines do not fail it. Memory holds a digest a line, and some lines.
 */
export async function validateLines(lines: AsyncIterable<FileLine>, rules: ValidationRules): Promise<Validation> {
  const seen = new Map<string, number>();
  const duplicates: BatchError[] = [];
  const refusals: BatchError[] = [];
  const models = new Set<string>();
  let total = 0;
  let tokens = 0;
  for await (const [line, checked] of checkedLines(lines, rules)) {
    total++;
    if (total > MAX_BATCH_LINES) {
      const error = fileError('too_many_lines', `the input file has more than ${MAX_BATCH_LINES} requests, the limit`);
      return { state: 'invalid', total, errors: [error] };
    }
    if (checked.state === 'runnable') {
      models.add(checked.model);
      tokens += await rules.tokensOf(checked);
    } else if (refusals.length < MAX_LISTED_ERRORS) refusals.push(refusalError(line.line, checked));
    if (checked.customId === null) continue;
    const digest = createHash('sha256').update(checked.customId).digest('base64').slice(0, 22);
    const first = seen.get(digest);
    if (first === undefined) seen.set(digest, line.line);
    else if (duplicates.length < MAX_LISTED_ERRORS) duplicates.push(duplicateError(line.line, first, checked.customId));
  }
  if (total === 0) return { state: 'invalid', total, errors: [fileError('empty_file', 'the input file has no lines')] };
  if (duplicates.length > 0) return { state: 'invalid', total, errors: duplicates };
  if (models.size === 0) return { state: 'invalid', total, errors: refusals };
  return { state: 'valid', total, tokens, model: models.size === 1 ? [...models][0] : undefined };
}

function duplicateError(line: number, first: number, customId: string): BatchError {
  const message = `custom_id ${JSON.stringify(customId)} stands in line ${first} already; it must be unique in a file`;
  return { code: 'duplicate_custom_id', message, line, param: 'custom_id' };
}

export function fileError(code: string, message: string): BatchError {
  return { code, message, line: null, param: 'input_file_id' };
}
