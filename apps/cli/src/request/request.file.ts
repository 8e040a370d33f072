import { dirname, resolve } from 'node:path';
import {
  checkFileRequest,
  parseJsonText,
  readText,
  utf8Text,
  type FileRequest,
  type RequestSource,
} from '@madakv/requests';
import type { CommandIo } from '../command.io.js';

/** A request and where it came from. */
export interface LoadedRequest {
  readonly body: FileRequest;
  readonly source: RequestSource;
}

/**
 * Reads the request in a file, or in standard input for `-`.
 * @throws InputFileError when there is no such file, it is not JSON, or a key has a wrong value
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
  return { body: checkFileRequest(parseJsonText(text, source.name), source.name), source };
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
