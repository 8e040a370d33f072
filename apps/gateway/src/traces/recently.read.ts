export interface RecentlyReadOptions {
  /** Things that are held. */
  readonly most: number;
  /** How long one is held after it was loaded, however often it is looked at, in milliseconds; without end by default. */
  readonly maxAgeMs?: number;
  /** Milliseconds that only ever grow. */
  readonly now?: () => number;
}

interface Held<T> {
  readonly read: T;
  readonly loadedAtMs: number;
}

/** What was read last of things that never change, by their names: whoever looks at one looks at it again and again. */
export class RecentlyRead<T> {
  /** The one that was read last stands last. */
  private readonly held = new Map<string, Held<T>>();
  private readonly now: () => number;

  constructor(
    private readonly options: RecentlyReadOptions,
    private readonly load: (name: string) => Promise<T | undefined>,
  ) {
    this.now = options.now ?? (() => performance.now());
  }

  /** @returns undefined where there is none; that is asked again. @throws what `load` throws */
  async get(name: string): Promise<T | undefined> {
    this.forgetOld();
    const held = this.held.get(name) ?? (await this.loaded(name));
    if (held === undefined) return undefined;
    this.held.delete(name);
    this.held.set(name, held);
    for (const oldest of this.held.keys()) {
      if (this.held.size <= this.options.most) break;
      this.held.delete(oldest);
    }
    return held.read;
  }

  private async loaded(name: string): Promise<Held<T> | undefined> {
    const loadedAtMs = this.now();
    const read = await this.load(name);
    return read === undefined ? undefined : { read, loadedAtMs };
  }

  private forgetOld(): void {
    const { maxAgeMs = Infinity } = this.options;
    const before = this.now() - maxAgeMs;
    for (const [name, { loadedAtMs }] of this.held) if (loadedAtMs <= before) this.held.delete(name);
  }
}
