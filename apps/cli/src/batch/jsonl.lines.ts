import { readFile } from 'node:fs/promises';
import { UsageError } from '../exit.codes.js';
import { fileProblem } from '../request/request.file.js';
import { requestOverrides, type RequestFlags } from './batch.input.js';

/** A line of an input file. */
export interface JsonlLine {
  /** Counted from 1 in the file. */
  readonly line: number;
  /** Undefined where the line is not a request; the server says what is wrong with it. */
  readonly customId: string | undefined;
  readonly text: string;
}

/**
 * The lines of a JSONL file that are not blank, with what the flags say about every request written into them.
 * @throws UsageError when the file cannot be read or has no lines
 */
export async function readJsonl(path: string, name: string, flags: RequestFlags): Promise<JsonlLine[]> {
  const content = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`${name}: ${fileProblem(cause)}`, { cause });
  });
  const overrides = { ...requestOverrides(flags), ...(flags.model === undefined ? {} : { model: flags.model }) };
  const overriding = Object.keys(overrides).length > 0;
  const found = content.split('\n').flatMap((text, index): JsonlLine[] => {
    if (text.trim() === '') return [];
    const value = parsed(text);
    const written =
      overriding && hasBody(value) ? JSON.stringify({ ...value, body: merged(value.body, overrides) }) : text;
    return [{ line: index + 1, customId: customIdOf(value), text: written }];
  });
  if (found.length === 0) throw new UsageError(`${name}: no lines`);
  return found;
}

/** What the server gets: blank lines stay, so that its line numbers are those of the file. */
export function jsonlContent(lines: readonly JsonlLine[]): string {
  const written: string[] = [];
  for (const { line, text } of lines) {
    while (written.length < line - 1) written.push('');
    written.push(text);
  }
  return `${written.join('\n')}\n`;
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
