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
