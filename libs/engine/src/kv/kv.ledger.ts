/**
 * Counts the bytes of key-value cache that are allocated, now and at their peak. Every cache buffer of the engine is
 * entered here when it is allocated and struck when it is freed; nothing else counts as cache.
 */
export class KvLedger {
  private current = 0;
  private highest = 0;

  /** @param parent is charged as well: a sequence's ledger charges the engine's */
  constructor(private readonly parent?: KvLedger) {}

  get bytes(): number {
    return this.current;
  }

  get peakBytes(): number {
    return this.highest;
  }

  /** Enters an allocation, or strikes one when negative. */
  charge(bytes: number): void {
    this.current += bytes;
    this.highest = Math.max(this.highest, this.current);
    this.parent?.charge(bytes);
  }
}

/**
 * A float32 buffer of the cache that is freed at a known moment. JavaScript frees ordinary buffers whenever its
 * collector comes by; a resizable one gives its pages back as soon as it is resized to nothing.
 */
export class KvBuffer {
  private buffer: ArrayBuffer | undefined;
  readonly data: Float32Array;

  constructor(
    readonly length: number,
    private readonly ledger: KvLedger,
  ) {
    const bytes = length * Float32Array.BYTES_PER_ELEMENT;
    this.buffer = new ArrayBuffer(bytes, { maxByteLength: bytes });
    this.data = new Float32Array(this.buffer, 0, length);
    ledger.charge(bytes);
  }

  get bytes(): number {
    return this.buffer?.byteLength ?? 0;
  }

  /** Frees the memory; `data` is empty afterwards. Freeing twice does nothing. */
  free(): void {
    if (this.buffer === undefined) return;
    this.ledger.charge(-this.buffer.byteLength);
    this.buffer.resize(0);
    this.buffer = undefined;
  }
}
