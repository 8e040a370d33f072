import { decodeAttention, prefillAttention } from '@madakv/models';
import { cpuProvider, Tensor, type Session } from '@madakv/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayerSelection } from '@madakv/madakv';
import { GROWTH_ROWS, type DeviceLayerCache } from './device.layer.cache.js';
import { DeviceMemory } from './device.memory.js';
import type { HostLayerCache } from './host.layer.cache.js';
import { HostMemory } from './host.memory.js';
import { KvLedger } from './kv.ledger.js';
import type { KvMemory, LayerCache, Projections } from './kv.memory.js';

/**
 * The graphs of a device's memory run on any provider, so that the CPU stands in for a GPU here: only where tensors lie differs.
 * test/gpu runs them on a device.
 */
const SHAPE = { heads: 6, kvHeads: 2, headDim: 8 };
const TOKENS = 23;
const ROW_BYTES = 2 * SHAPE.kvHeads * SHAPE.headDim * 4;

const provider = cpuProvider(1);
const sessions: Session[] = [];
const remember = async (session: Promise<Session>): Promise<Session> => {
  sessions.push(await session);
  return session;
};
let host: KvMemory;
let device: KvMemory;
beforeAll(async () => {
  device = await DeviceMemory.open(SHAPE, provider, remember);
  const open = (bytes: Uint8Array): Promise<Session> => remember(provider.createSession({ bytes }));
  host = new HostMemory(
    { heads: SHAPE.kvHeads, dim: SHAPE.headDim },
    {
      prefill: await open(prefillAttention(SHAPE)),
      decode: [{ width: 1, session: await open(decodeAttention(SHAPE, 1)) }],
    },
  );
});
afterAll(async () => {
  for (const session of sessions) await session.release();
});

/** Numbers that look random; `seed` tells one matrix from another. */
function matrix(rows: number, columns: number, seed: number): Tensor {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * (seed + 1.7) + seed));
  return new Tensor('float32', data, [rows, columns]);
}

function projections(rows: number, seed: number): Projections {
  const [q, kv] = [SHAPE.heads * SHAPE.headDim, SHAPE.kvHeads * SHAPE.headDim];
  return { q: matrix(rows, q, seed), k: matrix(rows, kv, seed + 0.3), v: matrix(rows, kv, seed + 0.6) };
}

/** Keeps of every head the same number of rows at positions of its own. */
function selection(kept: readonly number[], merge?: LayerSelection['merge']): LayerSelection {
  const rows = kept.length / SHAPE.kvHeads;
  return {
    rows,
    kept: Int32Array.from(kept),
    target: rows,
    demand: rows,
    compensation: 0,
    keptByModality: Int32Array.of(rows, rows),
    preference: Float32Array.of(1, 1),
    ...(merge === undefined ? {} : { merge }),
  };
}

const KEPT = [0, 3, 4, 11, 22, 1, 2, 9, 15, 22];

/** A prompt in three chunks, the last without attention; then what a selection keeps of it. */
async function evicted(
  memory: KvMemory,
  ledger: KvLedger,
  what: LayerSelection,
): Promise<{ outputs: Float32Array[]; keys: Float32Array; cache: LayerCache }> {
  const buffer = memory.newPromptBuffer(TOKENS, ledger);
  const outputs: Float32Array[] = [];
  for (const [i, rows] of [9, 8].entries()) {
    outputs.push(((await buffer.attend(projections(rows, i))).data as Float32Array).slice());
  }
  await buffer.append(projections(TOKENS - 17, 2));
  const keys = (buffer.allKeys().data as Float32Array).slice();
  const cache = await buffer.evict(what, ledger);
  buffer.free();
  return { outputs, keys, cache };
}

/** Kept keys and values of a device's cache, heads after heads. */
function contents(cache: LayerCache): { keys: unknown; values: unknown } {
  const { keys, values } = cache as LayerCache & Pick<DeviceLayerCache, 'keys' | 'values'>;
  return { keys: keys.data, values: values.data };
}

/** The same of a host's. */
function expectedContents(cache: LayerCache): { keys: unknown; values: unknown } {
  const { keys, values } = (cache as LayerCache & Pick<HostLayerCache, 'feeds'>).feeds();
  return { keys: keys.data, values: turned(values) };
}

/** The host's values `[heads, dim, rows]` as the device holds them, `[heads, rows, dim]`. */
function turned({ data, dims: [heads, dim, rows] }: Tensor): Float32Array {
  return Float32Array.from({ length: heads * rows * dim }, (_, at) => {
    const [line, i] = [Math.floor(at / dim), at % dim];
    const [head, row] = [Math.floor(line / rows), line % rows];
    return (data as Float32Array)[(head * dim + i) * rows + row];
  });
}

function expectNear(actual: Float32Array, expected: Float32Array): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(Math.abs(value - expected[i])).toBeLessThan(1e-5);
  });
}

describe('DeviceMemory', () => {
  it('holds, reads and evicts a prompt’s cache as the host’s does', async () => {
    const ledger = new KvLedger();
    const ours = await evicted(device, ledger, selection(KEPT));
    const theirs = await evicted(host, new KvLedger(), selection(KEPT));
    ours.outputs.forEach((output, i) => {
      expectNear(output, theirs.outputs[i]);
    });
    expect(ours.keys).toEqual(theirs.keys);
    expect(contents(ours.cache)).toEqual(expectedContents(theirs.cache));
    expect(ledger.bytes).toBe(5 * ROW_BYTES);
    expect(ledger.peakBytes).toBe((5 + TOKENS) * ROW_BYTES);
    ours.cache.free();
    ours.cache.free();
    expect(ledger.bytes).toBe(0);
  });

  it('folds evicted rows in as the host does', async () => {
    const mergeable = new Uint8Array(TOKENS).fill(1);
    const merging = selection(KEPT, { kind: 'look-m', method: 'pivotal', mergeable });
    const ours = await evicted(device, new KvLedger(), merging);
    const theirs = await evicted(host, new KvLedger(), merging);
    expect(contents(ours.cache)).toEqual(expectedContents(theirs.cache));
  });

  it('decodes a batch of different caches, past the growth of each', async () => {
    const ledger = new KvLedger();
    const ours: LayerCache[] = [];
    const theirs: LayerCache[] = [];
    for (const rows of [5, 2]) {
      const some = selection(Array.from({ length: rows * SHAPE.kvHeads }, (_, i) => i));
      ours.push((await evicted(device, ledger, some)).cache);
      theirs.push((await evicted(host, new KvLedger(), some)).cache);
    }
    for (let step = 0; step < GROWTH_ROWS + 3; step++) {
      const fresh = projections(2, 10 + step);
      const expected = await host.attend(fresh, theirs);
      expectNear((await device.attend(fresh, ours)).data as Float32Array, expected.data as Float32Array);
    }
    const [cache] = ours as (LayerCache & Pick<DeviceLayerCache, 'keys' | 'rows'>)[];
    expect(cache.rows).toBe(5 + GROWTH_ROWS + 3);
    expect(cache.keys.dims).toEqual([1, SHAPE.kvHeads, 5 + 2 * GROWTH_ROWS, SHAPE.headDim]);
    expect(ledger.bytes).toBe((5 + 2 + 2 * 2 * GROWTH_ROWS) * ROW_BYTES);
    for (const cache of ours) cache.free();
    expect(ledger.bytes).toBe(0);
  });

  it('picks rows', async () => {
    const rows = Int32Array.of(2, 0);
    const queries = projections(4, 0).q;
    const picked = await device.pickRows(queries, rows);
    expect(picked.data).toEqual((await host.pickRows(queries, rows)).data);
    expect(picked.dims).toEqual([2, SHAPE.heads * SHAPE.headDim]);
  });
});
