interface Waiting {
  readonly alone: boolean;
  readonly admit: () => void;
}

/**
 * Lets a request run alone in the engine: one under which an engine has died before must not take others with it when that
 * happens again. Served in order, so neither kind waits for ever.
 */
export class Isolation {
  private readonly waiting: Waiting[] = [];
  private running = 0;
  private occupied = false;

  /** @throws the signal's reason when aborted before it is this work's turn */
  async run<T>(alone: boolean, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.enter(alone, signal);
    try {
      return await work();
    } finally {
      this.running--;
      if (alone) this.occupied = false;
      this.admit();
    }
  }

  private async enter(alone: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const entry: Waiting = {
        alone,
        admit: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(signal.reason as Error);
        this.admit();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(entry);
      this.admit();
    });
  }

  private admit(): void {
    for (;;) {
      const next = this.waiting.at(0);
      if (next === undefined || this.occupied || (next.alone && this.running > 0)) return;
      this.waiting.shift();
      this.running++;
      this.occupied = next.alone;
      next.admit();
    }
  }
}
