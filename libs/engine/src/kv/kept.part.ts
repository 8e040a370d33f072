import { Tensor, zeroCode, type CodeType } from '@madakv/onnx';
import { allOrNone, KvBuffer, KvCodes, type KvLedger } from './kv.ledger.js';
import type { CacheFeeds, KvShape } from './kv.memory.js';

/**
 * How a cache is stored. `fp16`: all of it, in a device's memory; `int8`: the part that no longer changes, in the host's, where the tail of
 * new tokens is float32 always.
 */
export type KvPrecision = 'fp32' | 'fp16' | 'int8';

/** A precision of the host's caches with the type of value codes, one with which the provider's products are exact. Key codes are uint8 always. */
export type KvFormat = 'fp32' | CodeType;

/**
 * Rows of keys and values that attention reads in place. Keys are `[heads, rows, dim]`; float32 values stand the other way
 * round, `[heads, dim, rows]`, so that both products stream along memory (1.5 times faster for values, measured).
 */
export interface KeptPart {
  readonly rows: number;
  /** Bytes allocated. */
  readonly bytes: number;
  feeds(): Pick<CacheFeeds, 'keys' | 'values' | 'keyScales' | 'valueScales'>;
  /** Writes one row of one head. @param key, value `[dim]` */
  set(head: number, row: number, key: Float32Array, value: Float32Array): void;
  /** Writes all rows of one head. @param keys, values `[tokens, dim]`. @param tokens which of them, `[rows]` */
  gather(head: number, keys: Float32Array, values: Float32Array, tokens: Int32Array): void;
  /** A larger part that begins with this one's rows; this one is freed. */
  grow(rows: number): KeptPart;
  free(): void;
}

export function newKeptPart(format: KvFormat, shape: KvShape, rows: number, ledger: KvLedger): KeptPart {
  return format === 'fp32' ? new Float32Part(shape, rows, ledger) : new CodesPart(format, shape, rows, ledger);
}

/** Rows that are turned at a time: 64 of 128 numbers fit a first-level cache. */
const BLOCK_ROWS = 64;

class Float32Part implements KeptPart {
  private readonly keys: KvBuffer;
  private readonly values: KvBuffer;

  constructor(
    private readonly shape: KvShape,
    readonly rows: number,
    private readonly ledger: KvLedger,
  ) {
    const length = shape.heads * rows * shape.dim;
    const values = () => new KvBuffer(length, ledger);
    [this.keys, this.values] = allOrNone<[KvBuffer, KvBuffer]>(values, values);
  }

  get bytes(): number {
    return this.keys.bytes + this.values.bytes;
  }

  feeds(): { keys: Tensor; values: Tensor } {
    const { heads, dim } = this.shape;
    return {
      keys: new Tensor('float32', this.keys.data, [heads, this.rows, dim]),
      values: new Tensor('float32', this.values.data, [heads, dim, this.rows]),
    };
  }

  set(head: number, row: number, key: Float32Array, value: Float32Array): void {
    const { dim } = this.shape;
    this.keys.data.set(key, (head * this.rows + row) * dim);
    const { data } = this.values;
    for (let i = 0, at = head * dim * this.rows + row; i < dim; i++, at += this.rows) data[at] = value[i];
  }

  gather(head: number, keys: Float32Array, values: Float32Array, tokens: Int32Array): void {
    const { dim } = this.shape;
    const first = head * this.rows * dim;
    tokens.forEach((token, row) => {
      this.keys.data.set(keys.subarray(token * dim, (token + 1) * dim), first + row * dim);
    });
    // In blocks of rows that a cache holds, since values are read across and written along.
    for (let start = 0; start < this.rows; start += BLOCK_ROWS) {
      const end = Math.min(this.rows, start + BLOCK_ROWS);
      for (let i = 0; i < dim; i++) {
        const line = first + i * this.rows;
        for (let row = start; row < end; row++) this.values.data[line + row] = values[tokens[row] * dim + i];
      }
    }
  }

  grow(rows: number): KeptPart {
    const { heads, dim } = this.shape;
    const grown = new Float32Part(this.shape, rows, this.ledger);
    copyLines(this.keys.data, grown.keys.data, heads, this.rows * dim, rows * dim);
    this.keys.free();
    copyLines(this.values.data, grown.values.data, heads * dim, this.rows, rows);
    this.values.free();
    return grown;
  }

  free(): void {
    this.keys.free();
    this.values.free();
  }
}

/** Most rows whose products with 8-bit codes cannot overflow 32 bits. */
const MAX_INT8_ROWS = Math.floor((2 ** 31 - 1) / (255 * 128));

/** 8-bit codes with a float32 scale for each row of each head: a key or value is `scale * (code - zero)`. */
class CodesPart implements KeptPart {
  private readonly keys: KvCodes;
  private readonly values: KvCodes;
  private readonly keyScales: KvBuffer;
  private readonly valueScales: KvBuffer;

  /** @throws RangeError for more rows than 32-bit sums can hold */
  constructor(
    private readonly type: CodeType,
    private readonly shape: KvShape,
    readonly rows: number,
    private readonly ledger: KvLedger,
  ) {
    if (rows > MAX_INT8_ROWS) {
      throw new RangeError(`an int8 cache holds ${MAX_INT8_ROWS} rows a head at most, ${rows} asked for`);
    }
    const codes = () => new KvCodes(shape.heads * rows * shape.dim, ledger);
    const scales = () => new KvBuffer(shape.heads * rows, ledger);
    [this.keys, this.values, this.keyScales, this.valueScales] = allOrNone<[KvCodes, KvCodes, KvBuffer, KvBuffer]>(
      codes,
      codes,
      scales,
      scales,
    );
  }

  get bytes(): number {
    return this.keys.bytes + this.values.bytes + this.keyScales.bytes + this.valueScales.bytes;
  }

  private get valueCodes(): Uint8Array | Int8Array {
    return this.type === 'int8' ? this.values.signed : this.values.unsigned;
  }

  feeds(): { keys: Tensor; values: Tensor; keyScales: Tensor; valueScales: Tensor } {
    const { heads, dim } = this.shape;
    const dims = [heads, this.rows, dim];
    const scales = (buffer: KvBuffer): Tensor => new Tensor('float32', buffer.data, [heads, this.rows]);
    return {
      keys: new Tensor('uint8', this.keys.unsigned, dims),
      values: new Tensor(this.type, this.valueCodes, dims),
      keyScales: scales(this.keyScales),
      valueScales: scales(this.valueScales),
    };
  }

  set(head: number, row: number, key: Float32Array, value: Float32Array): void {
    const line = head * this.rows + row;
    const at = line * this.shape.dim;
    this.keyScales.data[line] = encode(key, zeroCode.uint8, this.keys.unsigned, at);
    this.valueScales.data[line] = encode(value, zeroCode[this.type], this.valueCodes, at);
  }

  gather(head: number, keys: Float32Array, values: Float32Array, tokens: Int32Array): void {
    const { dim } = this.shape;
    tokens.forEach((token, row) => {
      const [from, to] = [token * dim, (token + 1) * dim];
      this.set(head, row, keys.subarray(from, to), values.subarray(from, to));
    });
  }

  grow(rows: number): KeptPart {
    const { heads, dim } = this.shape;
    const grown = new CodesPart(this.type, this.shape, rows, this.ledger);
    for (const name of ['keys', 'values'] as const) {
      copyLines(this[name].unsigned, grown[name].unsigned, heads, this.rows * dim, rows * dim);
      this[name].free();
    }
    for (const name of ['keyScales', 'valueScales'] as const) {
      copyLines(this[name].data, grown[name].data, heads, this.rows, rows);
      this[name].free();
    }
    return grown;
  }

  free(): void {
    for (const buffer of [this.keys, this.values, this.keyScales, this.valueScales]) buffer.free();
  }
}

/** Writes codes in `[-127, 127]` around `zero`. @returns the scale */
function encode(row: Float32Array, zero: number, codes: Uint8Array | Int8Array, at: number): number {
  let largest = 0;
  for (let i = 0; i < row.length; i++) largest = Math.max(largest, Math.abs(row[i]));
  const inverse = largest === 0 ? 0 : 127 / largest;
  for (let i = 0; i < row.length; i++) codes[at + i] = Math.round(row[i] * inverse) + zero;
  return largest / 127;
}

/** Copies each line of `from` elements to the beginning of a line of `to` elements. */
function copyLines<A extends Float32Array | Uint8Array>(
  source: A,
  target: A,
  lines: number,
  from: number,
  to: number,
): void {
  for (let line = 0; line < lines; line++) target.set(source.subarray(line * from, (line + 1) * from), line * to);
}
