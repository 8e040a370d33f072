/** Lets one at a time do something about the same thing, in the order they came; others do not wait. */
export class KeyedLock {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** @throws what `work` throws; the signal's reason when aborted while waiting, and then `work` was not called */
  async run<Result>(key: string, work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const before = this.tails.get(key);
    let release: () => void = () => undefined;
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tail = Promise.all([before, mine]);
    this.tails.set(key, tail);
    void tail.then(() => {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    });
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      release();
    }
  }
}

async function unlessAborted(work: Promise<unknown> | undefined, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (work === undefined) return;
  await new Promise<unknown>((resolve, reject) => {
    const aborted = (): void => {
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => {
      signal?.removeEventListener('abort', aborted);
    });
  });
}
