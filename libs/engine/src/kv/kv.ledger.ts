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

  /** Counts bytes in the peak that others are charged for: a layer that several requests read is there for each of them. */
  witness(othersBytes: number): void {
    this.highest = Math.max(this.highest, this.current + othersBytes);
  }

  /** Enters an allocation, or strikes one when negative. */
  charge(bytes: number): void {
    this.current += bytes;
    this.highest = Math.max(this.highest, this.current);
    this.parent?.charge(bytes);
  }
}

/**
 * A buffer of the cache that is freed at a known moment. JavaScript frees ordinary buffers whenever its collector comes
 * by; a resizable one gives its pages back as soon as it is resized to nothing.
 */
class FreeableBuffer {
  protected readonly buffer: ArrayBuffer;

  constructor(
    byteLength: number,
    private readonly ledger: KvLedger,
  ) {
    this.buffer = new ArrayBuffer(byteLength, { maxByteLength: byteLength });
    ledger.charge(byteLength);
  }

  get bytes(): number {
    return this.buffer.byteLength;
  }

  /** Frees the memory; `data` is empty afterwards. Freeing twice does nothing. */
  free(): void {
    this.ledger.charge(-this.buffer.byteLength);
    this.buffer.resize(0);
  }
}

/** All of these, or none: what was allocated is freed where the rest cannot be had. @throws what the first that fails throws */
export function allOrNone<Buffers extends readonly { free(): void }[]>(
  ...makers: { readonly [Key in keyof Buffers]: () => Buffers[Key] }
): Buffers {
  const made: Buffers[number][] = [];
  try {
    for (const make of makers) made.push(make());
  } catch (error) {
    for (const buffer of made) buffer.free();
    throw error;
  }
  return made as unknown as Buffers;
}

/** Float32 values up to a limit, allocated in steps as they are needed; growing copies nothing. */
export class KvGrowingBuffer {
  private readonly buffer: ArrayBuffer;

  constructor(
    maxLength: number,
    private readonly ledger: KvLedger,
  ) {
    this.buffer = new ArrayBuffer(0, { maxByteLength: maxLength * Float32Array.BYTES_PER_ELEMENT });
  }

  get bytes(): number {
    return this.buffer.byteLength;
  }

  /** The first `length` values, which must be allocated. */
  data(length: number): Float32Array {
    return new Float32Array(this.buffer, 0, length);
  }

  /** Allocates `length` values in all; 0 frees them. */
  resize(length: number): void {
    const bytes = length * Float32Array.BYTES_PER_ELEMENT;
    const before = this.buffer.byteLength;
    this.buffer.resize(bytes);
    this.ledger.charge(bytes - before);
  }
}

/** `length` float32 values. */
export class KvBuffer extends FreeableBuffer {
  readonly data: Float32Array;

  constructor(
    readonly length: number,
    ledger: KvLedger,
  ) {
    super(length * Float32Array.BYTES_PER_ELEMENT, ledger);
    this.data = new Float32Array(this.buffer, 0, length);
  }
}

/** `length` 8-bit codes, which keys read unsigned and values signed. */
export class KvCodes extends FreeableBuffer {
  readonly unsigned: Uint8Array;
  readonly signed: Int8Array;

  constructor(
    readonly length: number,
    ledger: KvLedger,
  ) {
    super(length, ledger);
    this.unsigned = new Uint8Array(this.buffer, 0, length);
    this.signed = new Int8Array(this.buffer, 0, length);
  }
}
