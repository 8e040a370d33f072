import { dirname, resolve } from 'node:path';
import { describeIssues, givenKeys } from '@madakv/contracts';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { chatRequestSchema, type ChatRequest } from './chat.request.js';
import { parseJson } from './json.text.js';
import { readText, utf8Text } from './text.file.js';

export { fileProblem, readText } from './text.file.js';

/** A request and where it came from. */
export interface RequestSource {
  readonly name: string;
  /** Folder that relative image paths start from. */
  readonly folder: string;
}

export interface LoadedRequest {
  readonly body: ChatRequest;
  readonly source: RequestSource;
}

/**
 * Reads the request in a file, or in standard input for `-`.
 * @throws UsageError when there is no such file, it is not JSON, or a key has a wrong value
 */
export async function loadRequest(
  path: string,
  io: Pick<CommandIo, 'stdin' | 'cwd' | 'signal'>,
): Promise<LoadedRequest> {
  const fromStdin = path === '-';
  const file = resolve(io.cwd, path);
  const source = fromStdin ? { name: 'standard input', folder: io.cwd } : { name: path, folder: dirname(file) };
  const text = fromStdin
    ? utf8Text(await unlessAborted(readAll(io.stdin), io.signal), source.name)
    : await readText(file, path);
  return { body: checkRequest(parseJson(text, source.name), source.name), source };
}

/** @throws UsageError naming the path of every key that is wrong */
export function checkRequest(value: unknown, name: string): ChatRequest {
  const result = chatRequestSchema.safeParse(value);
  if (!result.success) throw new UsageError(`${name}: ${describeIssues(result.error.issues)}`);
  return givenKeys(result.data);
}

async function readAll(stdin: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** Gives up waiting when the signal is aborted: a terminal may never end its input. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', stop);
    });
  });
}
