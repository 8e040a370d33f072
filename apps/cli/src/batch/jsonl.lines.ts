import { isUtf8 } from 'node:buffer';
import { linesOf, readBytes, requireNoUtf16, withoutMark } from '@madakv/requests';
import { UsageError } from '../exit.codes.js';
import { requestOverrides, type RequestFlags } from './batch.input.js';

/** A line of an input file. */
export interface JsonlLine {
  /** Counted from 1 in the file. */
  readonly line: number;
  /** Undefined where the line is not a request; the server says what is wrong with it. */
  readonly customId: string | undefined;
  /** As it stands in the file, also where it is not UTF-8: then the server refuses it. */
  readonly content: Buffer;
}

const NEWLINE = Buffer.from('\n');

/**
 * The lines of a JSONL file that are not blank, with what the flags say about every request written into them. A byte order
 * mark is passed over; lines that are not touched keep their bytes.
 * @throws UsageError when the file cannot be read, has no lines, or none of them is a JSON object
 */
export async function readJsonl(
  path: string,
  name: string,
  flagsOf: (lines: number) => RequestFlags,
): Promise<JsonlLine[]> {
  const content = await readBytes(path, name);
  requireNoUtf16(content, name);
  const written = linesOf(withoutMark(content)).flatMap((bytes, index) => {
    const text = isUtf8(bytes) ? bytes.toString('utf8') : undefined;
    return text?.trim() === ''
      ? []
      : [{ line: index + 1, bytes, value: text === undefined ? undefined : parsed(text) }];
  });
  if (written.length === 0) throw new UsageError(`${name}: no lines`);
  if (!written.some(({ value }) => isObject(value))) {
    throw new UsageError(
      `${name}: no line of it is a JSON object; expected JSON Lines of batch requests, a folder of documents, ` +
        'or one document, a PDF or an image',
    );
  }
  const flags = flagsOf(written.length);
  const overrides = { ...requestOverrides(flags), ...(flags.model === undefined ? {} : { model: flags.model }) };
  const overriding = Object.keys(overrides).length > 0;
  return written.map(({ line, bytes, value }) => ({
    line,
    customId: customIdOf(value),
    content:
      overriding && hasBody(value)
        ? Buffer.from(JSON.stringify({ ...value, body: merged(value.body, overrides) }))
        : bytes,
  }));
}

/** What the server gets: blank lines stay, so that its line numbers are those of the file. */
export function jsonlContent(lines: readonly { readonly line: number; readonly content: Buffer }[]): Buffer {
  const pieces: Buffer[] = [];
  let at = 1;
  for (const { line, content } of lines) {
    for (; at < line; at++) pieces.push(NEWLINE);
    pieces.push(content, NEWLINE);
    at++;
  }
  return Buffer.concat(pieces);
}

function merged(body: Record<string, unknown>, overrides: Record<string, unknown>): Record<string, unknown> {
  const { madakv } = body;
  const options = overrides['madakv'];
  // Both names of the limit count; the old one must not stay beside the new.
  const names = Object.keys(body).filter((name) => !('max_completion_tokens' in overrides && name === 'max_tokens'));
  return {
    ...Object.fromEntries(names.map((name) => [name, body[name]])),
    ...overrides,
    ...(isObject(madakv) && isObject(options) ? { madakv: { ...madakv, ...options } } : {}),
  };
}

function customIdOf(value: unknown): string | undefined {
  const id = isObject(value) ? value['custom_id'] : undefined;
  return typeof id === 'string' ? id : undefined;
}

function hasBody(value: unknown): value is { body: Record<string, unknown> } {
  return isObject(value) && isObject(value['body']);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
