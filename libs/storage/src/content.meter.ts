import { createHash } from 'node:crypto';
import type { FileSource, PutOptions, PutResult } from './file.store.js';
import { StorageError } from './storage.error.js';

/** Passes content on and measures it on the way. */
export class ContentMeter {
  private readonly hash = createHash('sha256');
  private bytes = 0;

  constructor(
    private readonly source: FileSource,
    private readonly options: PutOptions,
  ) {}

  /** @throws StorageError `too_large`; the source's own error; the signal's reason */
  async *content(): AsyncGenerator<Uint8Array, void, undefined> {
    const { source, options } = this;
    for await (const piece of unlessAborted(source instanceof Uint8Array ? [source] : source, options.signal)) {
      this.bytes += piece.length;
      if (options.maxBytes !== undefined && this.bytes > options.maxBytes) {
        throw new StorageError('too_large', `the content goes beyond the limit of ${options.maxBytes} bytes`);
      }
      this.hash.update(piece);
      yield piece;
    }
  }

  /** Of all that was passed on; call it once, at the end. */
  result(): PutResult {
    return { bytes: this.bytes, sha256: this.hash.digest('hex') };
  }
}

/** Stops at once when aborted, even while the source has nothing to give. */
async function* unlessAborted<Piece>(
  source: Iterable<Piece> | AsyncIterable<Piece>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece, void, undefined> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  signal.throwIfAborted();
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
  });
  aborted.catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // A source that hangs would hang here too: it is told, and not waited for.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
