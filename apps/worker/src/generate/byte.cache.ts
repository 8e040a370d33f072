/** Contents by key, the least recently used dropped beyond a limit in bytes. A content that is being loaded is loaded once. */
export class ByteCache {
  private readonly contents = new Map<string, Promise<Uint8Array>>();
  private readonly sizes = new Map<string, number>();
  private total = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.total;
  }

  /** @throws what `load` throws; then nothing is kept */
  async get(key: string, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const known = this.contents.get(key);
    if (known !== undefined) {
      // A map keeps the order of insertion: the newest stands last.
      this.contents.delete(key);
      this.contents.set(key, known);
      return known;
    }
    const loading = load();
    this.contents.set(key, loading);
    try {
      const content = await loading;
      this.sizes.set(key, content.byteLength);
      this.total += content.byteLength;
      this.shrink();
      return content;
    } catch (error) {
      this.contents.delete(key);
      throw error;
    }
  }

  private shrink(): void {
    for (const key of this.contents.keys()) {
      if (this.total <= this.maxBytes) return;
      const size = this.sizes.get(key);
      // What is being loaded has no size yet.
      if (size === undefined) continue;
      this.contents.delete(key);
      this.sizes.delete(key);
      this.total -= size;
    }
  }
}
