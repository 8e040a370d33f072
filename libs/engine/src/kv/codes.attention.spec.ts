import { decodeAttention } from '@madakv/models';
import { cpuProvider, Tensor, type CodeType } from '@madakv/onnx';
import { describe, expect, it } from 'vitest';
import { HostLayerCache } from './host.layer.cache.js';
import { HostMemory } from './host.memory.js';
import type { KvFormat } from './kept.part.js';
import { KvLedger } from './kv.ledger.js';

const provider = cpuProvider(1);
const exact = await provider.integerCodes();
/** Unsigned codes are right on every processor; signed ones where the check has chosen them. */
const types = [...new Set<CodeType>(['uint8', exact])];

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Attention of one token over rows that `fill` writes. @returns `[heads * dim]` */
async function attention(
  shape: Shape,
  rows: number,
  format: KvFormat,
  query: Float32Array,
  fill: (head: number, row: number) => { key: Float32Array; value: Float32Array },
): Promise<Float32Array> {
  const kv = { heads: shape.kvHeads, dim: shape.headDim };
  const session = await provider.createSession({ bytes: decodeAttention(shape, 1, format) }, { asWritten: true });
  const memory = new HostMemory(kv, { prefill: session, decode: [{ width: 1, session }] }, format);
  const cache = new HostLayerCache(kv, rows, new KvLedger(), format);
  for (let head = 0; head < kv.heads; head++) {
    for (let row = 0; row < rows; row++) {
      const { key, value } = fill(head, row);
      cache.set(head, row, key, value);
    }
  }
  const width = kv.heads * kv.dim;
  // The new token's own key is as far from the query as can be, so that its value hardly counts.
  const far = query.subarray(0, width).map((x) => -50 * x);
  const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [1, data.length]);
  const fresh = { q: tensor(query), k: tensor(far), v: tensor(new Float32Array(width)) };
  const result = (await memory.attend(fresh, [cache])).data as Float32Array;
  cache.free();
  await session.release();
  return result;
}

describe.each(types)('attention over %s codes', (type) => {
  it.each([
    { heads: 4, kvHeads: 4, headDim: 16 },
    { heads: 6, kvHeads: 2, headDim: 24 },
  ])('is that over the numbers they stand for: $heads heads on $kvHeads', async (shape) => {
    const wave = (length: number, seed: number): Float32Array =>
      Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * (seed + 1.7)));
    const fill = (head: number, row: number) => ({
      key: wave(shape.headDim, 7 * head + row),
      value: wave(shape.headDim, 3 * head + row + 0.5),
    });
    const query = wave(shape.heads * shape.headDim, 0.2);
    const rounded = await attention(shape, 301, type, query, fill);
    const full = await attention(shape, 301, 'fp32', query, fill);
    const largest = full.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    rounded.forEach((value, i) => {
      expect(Math.abs(value - full[i])).toBeLessThan(0.02 * largest);
    });
  });

  it('is right where every code is at the end of its range', async () => {
    const shape = { heads: 1, kvHeads: 1, headDim: 8 };
    // Equal keys make equal weights, equal values their own mean.
    const fill = () => ({ key: new Float32Array(8).fill(2), value: Float32Array.of(3, -3, 3, 3, -3, -3, 3, -3) });
    const result = await attention(shape, 301, type, new Float32Array(8).fill(4), fill);
    [3, -3, 3, 3, -3, -3, 3, -3].forEach((value, i) => {
      expect(result[i]).toBeCloseTo(value, 3);
    });
  });

  it('holds the sums of as many rows as are allowed', async () => {
    const shape = { heads: 1, kvHeads: 1, headDim: 2 };
    const fill = () => ({ key: Float32Array.of(1, 1), value: Float32Array.of(5, -5) });
    const result = await attention(shape, 65_793, type, Float32Array.of(4, 4), fill);
    expect(result[0]).toBeCloseTo(5, 2);
    expect(result[1]).toBeCloseTo(-5, 2);
  });
});
