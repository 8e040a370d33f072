import { zeroCode } from '@madakv/onnx';
import { describe, expect, it } from 'vitest';
import { KvBuffer, KvLedger } from './kv.ledger.js';
import { HostLayerCache } from './host.layer.cache.js';
import { TAIL_ROWS, TAIL_STEP } from './kv.memory.js';

const SHAPE = { heads: 2, dim: 3 };
const ROW_BYTES = 2 * SHAPE.heads * SHAPE.dim * 4;

/** A key row whose numbers say token, head and place. */
const row = (token: number): Float32Array =>
  Float32Array.from({ length: SHAPE.heads * SHAPE.dim }, (_, i) => token * 100 + i);

describe('KvBuffer', () => {
  it('gives its memory back when freed, and only once', () => {
    const ledger = new KvLedger();
    const buffer = new KvBuffer(1000, ledger);
    expect(ledger.bytes).toBe(4000);
    expect(buffer.bytes).toBe(4000);
    buffer.free();
    buffer.free();
    expect(ledger.bytes).toBe(0);
    expect(buffer.data).toHaveLength(0);
    expect(ledger.peakBytes).toBe(4000);
  });

  it('charges the parent ledger as well', () => {
    const engine = new KvLedger();
    const buffer = new KvBuffer(10, new KvLedger(engine));
    expect(engine.bytes).toBe(40);
    buffer.free();
    expect(engine.bytes).toBe(0);
  });
});

describe('HostLayerCache', () => {
  it('allocates exactly its rows, and the tail in steps as tokens come', () => {
    const ledger = new KvLedger();
    const cache = new HostLayerCache(SHAPE, 5, ledger);
    expect(ledger.bytes).toBe(5 * ROW_BYTES);
    cache.append(row(0), row(0));
    expect(ledger.bytes).toBe((5 + TAIL_STEP) * ROW_BYTES);
    for (let token = 1; token <= TAIL_STEP; token++) cache.append(row(token), row(token));
    expect(ledger.bytes).toBe((5 + 2 * TAIL_STEP) * ROW_BYTES);
    expect(cache.bytes).toBe(ledger.bytes);
    cache.free();
    expect(ledger.bytes).toBe(0);
  });

  it('folds a full tail in behind what it holds, head by head', () => {
    const cache = new HostLayerCache(SHAPE, 2, new KvLedger());
    const minus = new Float32Array(SHAPE.dim).fill(-1);
    for (const place of [0, 1, 2, 3]) cache.set(place >> 1, place & 1, minus, minus);
    for (let token = 0; token < TAIL_ROWS + 1; token++) cache.append(row(token), row(token));
    const { keys, values, tailKeys } = cache.feeds();
    expect(keys.dims).toEqual([2, 2 + TAIL_ROWS, 3]);
    expect(tailKeys.dims).toEqual([1, 2, 3]);
    const rows = 2 + TAIL_ROWS;
    const data = keys.data as Float32Array;
    expect([...data.subarray(0, 6)]).toEqual([-1, -1, -1, -1, -1, -1]);
    expect([...data.subarray(2 * 3, 3 * 3)]).toEqual([0, 1, 2]);
    expect([...data.subarray((rows + 2 + 7) * 3, (rows + 3 + 7) * 3)]).toEqual([703, 704, 705]);
    expect(values.dims).toEqual([2, 3, rows]);
    const turned = values.data as Float32Array;
    expect([0, 1, 2].map((i) => turned[(3 + i) * rows + 2 + 7])).toEqual([703, 704, 705]);
    expect([0, 1, 2].map((i) => turned[i * rows + 1])).toEqual([-1, -1, -1]);
    expect([...(tailKeys.data as Float32Array)]).toEqual([...row(TAIL_ROWS)]);
  });

  it.each(['fp32', 'int8', 'uint8'] as const)('gathers a head’s rows like setting them one by one (%s)', (format) => {
    const rows = 150;
    const tokens = Int32Array.from({ length: rows }, (_, i) => 3 * i + 1);
    const source = Float32Array.from({ length: 3 * rows * SHAPE.dim + SHAPE.dim }, (_, i) => Math.sin(i));
    const [gathered, single] = [0, 1].map(() => new HostLayerCache(SHAPE, rows, new KvLedger(), format));
    for (let head = 0; head < SHAPE.heads; head++) {
      gathered.gather(head, source, source, tokens);
      tokens.forEach((token, line) => {
        const values = source.subarray(token * SHAPE.dim, (token + 1) * SHAPE.dim);
        single.set(head, line, values, values);
      });
    }
    expect(gathered.feeds()).toEqual(single.feeds());
  });

  it.each(['int8', 'uint8'] as const)(
    'keeps %s codes within half a step, in a quarter of the memory, and folds the tail into them',
    (type) => {
      const ledger = new KvLedger();
      const rows = 3;
      const cache = new HostLayerCache(SHAPE, rows, ledger, type);
      expect(ledger.bytes).toBe(rows * SHAPE.heads * 2 * (SHAPE.dim + 4));
      for (let token = 0; token < rows; token++) {
        for (let head = 0; head < SHAPE.heads; head++) {
          const values = row(token + 1).subarray(head * SHAPE.dim, (head + 1) * SHAPE.dim);
          cache.set(head, token, values, values);
        }
      }
      for (let token = 0; token < TAIL_ROWS; token++) cache.append(row(token + rows + 1), row(token + rows + 1));
      const { keys, values, keyScales, valueScales, tailKeys } = cache.feeds();
      const total = rows + TAIL_ROWS;
      expect(keys.dims).toEqual([2, total, 3]);
      expect(tailKeys.dims[0]).toBe(0);
      expect(values.type).toBe(type);
      for (let head = 0; head < 2; head++) {
        for (let token = 0; token < total; token++) {
          const line = head * total + token;
          for (let i = 0; i < 3; i++) {
            const expected = (token + 1) * 100 + head * 3 + i;
            const keyScale = (keyScales?.data as Float32Array)[line];
            const key = ((keys.data as Uint8Array)[line * 3 + i] - 128) * keyScale;
            const code = (values.data as Int8Array | Uint8Array)[line * 3 + i] - zeroCode[type];
            const value = code * (valueScales?.data as Float32Array)[line];
            expect(Math.abs(key - expected)).toBeLessThanOrEqual(0.51 * keyScale);
            expect(Math.abs(value - expected)).toBeLessThanOrEqual(0.51 * keyScale);
          }
        }
      }
      cache.free();
      expect(ledger.bytes).toBe(0);
    },
  );

  it('refuses more int8 rows than 32-bit sums hold', () => {
    expect(() => new HostLayerCache({ heads: 1, dim: 1 }, 70_000, new KvLedger(), 'int8')).toThrow('65793 rows');
  });
});
