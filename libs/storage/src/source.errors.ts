import { Readable } from 'node:stream';

/**
 * The same items; what the source itself throws becomes another error. What a reader throws in, as a stream does that is destroyed, is
 * not the source's.
 */
export async function* withSourceErrors<T>(
  source: AsyncIterable<T>,
  errorOf: (error: unknown) => unknown,
): AsyncGenerator<T, void, undefined> {
  const items = source[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await items.next().catch((error: unknown) => {
        isOver = true;
        throw errorOf(error);
      });
      if (next.done === true) {
        isOver = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!isOver) await items.return?.();
  }
}

/** A stream's bytes as another one, which ends it whenever it ends itself: also where nobody has begun to read. */
export function readableWithErrors(source: Readable, errorOf: (error: unknown) => unknown): Readable {
  const bytes = Readable.from(withSourceErrors(source, errorOf), { objectMode: false });
  // Whoever reads is told by the iterator.
  source.on('error', () => undefined);
  bytes.once('close', () => source.destroy());
  return bytes;
}
