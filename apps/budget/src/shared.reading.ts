/**
 * A reading that costs much, for many who ask at once: at most one is under way, and all who ask meanwhile share the one after it. So
 * every caller gets what was read after it asked.
 */
export class SharedReading<T> {
  private running: Promise<T> | undefined;
  private next: Promise<T> | undefined;

  constructor(private readonly read: () => Promise<T>) {}

  get(): Promise<T> {
    if (this.running === undefined) return this.begin();
    // Whether the one that is under way fails is for those to hear who wait for it.
    this.next ??= this.running
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.next = undefined;
        return this.running ?? this.begin();
      });
    return this.next;
  }

  private begin(): Promise<T> {
    this.running = this.read().finally(() => (this.running = undefined));
    return this.running;
  }
}
