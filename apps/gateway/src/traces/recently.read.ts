/** What was read last of things that never change, by their names: whoever looks at one looks at it again and again. */
export class RecentlyRead<T> {
  /** The one that was read last stands last. */
  private readonly held = new Map<string, T>();

  /** @param most things that are held */
  constructor(
    private readonly most: number,
    private readonly load: (name: string) => Promise<T | undefined>,
  ) {}

  /** @returns undefined where there is none; that is asked again. @throws what `load` throws */
  async get(name: string): Promise<T | undefined> {
    const held = this.held.get(name);
    this.held.delete(name);
    const read = held ?? (await this.load(name));
    if (read === undefined) return undefined;
    this.held.set(name, read);
    for (const oldest of this.held.keys()) {
      if (this.held.size <= this.most) break;
      this.held.delete(oldest);
    }
    return read;
  }
}
