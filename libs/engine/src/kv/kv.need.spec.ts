import { cpuProvider, Tensor, type Session } from '@madakv/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import { DeviceMemory } from './device.memory.js';
import { HostLayerCache } from './host.layer.cache.js';
import { GROWTH_ROWS } from './device.layer.cache.js';
import type { KvPrecision } from './kept.part.js';
import { KvLedger } from './kv.ledger.js';
import type { LayerCache, Projections } from './kv.memory.js';
import {
  answerBytes,
  appendedTokens,
  freshRowBytes,
  keptRowBytes,
  promptBufferBytes,
  type KvGeometry,
} from './kv.need.js';

const SHAPE = { heads: 2, kvHeads: 2, headDim: 8 };
const KV = { heads: SHAPE.kvHeads, dim: SHAPE.headDim };
/** Kept rows of each layer. */
const ROWS = [5, 11, 3];
const APPENDED = [0, 1, 7, 8, 9, 63, 64, 65, 66, 100, 127, 128, 129, 200];

const geometry = (precision: KvPrecision, onDevice: boolean): KvGeometry => ({
  layers: ROWS.length,
  kvHeads: SHAPE.kvHeads,
  headDim: SHAPE.headDim,
  precision,
  onDevice,
});

const row = new Float32Array(KV.heads * KV.dim).fill(1);

/** The most that caches took beside their kept rows while tokens were appended, layer by layer. */
function hostPeak(precision: 'fp32' | 'int8', appended: number): number {
  const ledger = new KvLedger();
  const caches = ROWS.map((rows) => new HostLayerCache(KV, rows, ledger, precision));
  const kept = ledger.bytes;
  for (let token = 0; token < appended; token++) for (const cache of caches) cache.append(row, row);
  return ledger.peakBytes - kept;
}

describe('answerBytes', () => {
  it.each(APPENDED)('is to the byte what a host allocates for %i tokens', (appended) => {
    expect(answerBytes(geometry('fp32', false), Math.max(...ROWS), appended)).toBe(hostPeak('fp32', appended));
  });

  it.each(APPENDED)('covers what a host allocates for %i tokens beside an int8 cache', (appended) => {
    const covered = answerBytes(geometry('int8', false), Math.max(...ROWS), appended);
    const taken = hostPeak('int8', appended);
    expect(covered).toBeGreaterThanOrEqual(taken);
    expect(covered - taken).toBeLessThanOrEqual(64 * freshRowBytes(geometry('fp32', false)));
  });
});

/** The graphs of a device's memory run on any provider: the CPU stands in for a GPU. */
describe('on a device', () => {
  const provider = cpuProvider(1);
  const sessions: Session[] = [];
  const openMemory = (): Promise<DeviceMemory> =>
    DeviceMemory.open(SHAPE, provider, async (session) => {
      sessions.push(await session);
      return session;
    });
  afterAll(async () => {
    for (const session of sessions) await session.release();
  });
  const ones = (rows: number): Tensor =>
    new Tensor('float32', new Float32Array(rows * row.length).fill(1), [rows, row.length]);
  const projections = (rows: number): Projections => ({ q: ones(rows), k: ones(rows), v: ones(rows) });

  it.each([1, 2, 32, 33, 66, 130])('covers what is allocated for %i tokens, and not much more', async (appended) => {
    const memory = await openMemory();
    const ledger = new KvLedger();
    const caches: LayerCache[] = [];
    for (const rows of ROWS) {
      const buffer = memory.newPromptBuffer(16, ledger);
      await buffer.append(projections(16));
      const kept = Int32Array.from({ length: KV.heads * rows }, (_, i) => i % rows);
      const none = new Float32Array(KV.heads);
      const selection = { rows, kept, target: rows, demand: rows, compensation: 0 };
      caches.push(
        await buffer.evict({ ...selection, keptByModality: new Int32Array(KV.heads), preference: none }, ledger),
      );
      buffer.free();
    }
    const kept = ledger.bytes;
    let most = 0;
    const watched = ledger.charge.bind(ledger);
    ledger.charge = (bytes) => {
      watched(bytes);
      most = Math.max(most, ledger.bytes);
    };
    for (let token = 0; token < appended; token++) {
      for (const cache of caches) await memory.attend(projections(1), [cache as never]);
    }
    const covered = answerBytes(geometry('fp32', true), Math.max(...ROWS), appended);
    expect(covered).toBeGreaterThanOrEqual(most - kept);
    expect(covered - (most - kept)).toBeLessThanOrEqual(Math.max(...ROWS) * freshRowBytes(geometry('fp32', true)));
  });

  it('holds a prompt’s layer once', async () => {
    const memory = await openMemory();
    const ledger = new KvLedger();
    const buffer = memory.newPromptBuffer(40, ledger);
    for (let chunk = 0; chunk < 10; chunk++) await buffer.append(projections(4));
    buffer.free();
    expect(ledger.peakBytes).toBe(promptBufferBytes(geometry('fp32', true), 40));
  });

  it('grows by whole steps', () => {
    const row = freshRowBytes(geometry('fp16', true));
    const all = ROWS.length * GROWTH_ROWS;
    expect(answerBytes(geometry('fp16', true), 11, 0)).toBe(0);
    expect(answerBytes(geometry('fp16', true), 11, 1)).toBe((all + 11) * row);
    expect(answerBytes(geometry('fp16', true), 11, GROWTH_ROWS + 1)).toBe((2 * all + 11 + GROWTH_ROWS) * row);
  });
});

it('a row takes its keys and values, in int8 their codes and scales', () => {
  expect(keptRowBytes(geometry('fp32', false))).toBe(2 * 2 * 8 * 4);
  expect(keptRowBytes(geometry('int8', false))).toBe(2 * 2 * (8 + 4));
  expect(keptRowBytes(geometry('fp16', true))).toBe(2 * 2 * 8 * 2);
  expect(freshRowBytes(geometry('fp16', true))).toBe(2 * 2 * 8 * 2);
  expect(freshRowBytes(geometry('int8', false))).toBe(2 * 2 * 8 * 4);
});

it('the last token of an answer is never appended, a replayed prompt token is', () => {
  expect(appendedTokens(1, 0)).toBe(0);
  expect(appendedTokens(1, 1)).toBe(1);
  expect(appendedTokens(10, 1)).toBe(10);
});
