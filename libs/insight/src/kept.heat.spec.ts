import type { LayerTraceDocument } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { keptHeat } from './kept.heat.js';

function bits(tokens: number, kept: readonly number[]): string {
  const bytes = Buffer.alloc(Math.ceil(tokens / 8));
  for (const token of kept) bytes[token >> 3] |= 1 << (token & 7);
  return bytes.toString('base64');
}

function layerOf(layer: number, heads: readonly (readonly number[])[], tokens: number): LayerTraceDocument {
  const positions = heads.map((kept) => bits(tokens, kept));
  return { layer, budget: 0, demand: 0, compensation: 0, rows: 0, kept: [], preference: [], positions };
}

const bytesOf = (base64: string): number[] => [...Buffer.from(base64, 'base64')];

it('says of each token how many heads of how many layers kept it', () => {
  const layers = [layerOf(0, [[0, 9], [9]], 10), layerOf(1, [[9], [1, 9]], 10)];
  const all = keptHeat(layers, 10, { layer: null, head: null });
  expect([all.pairs, all.tokens]).toEqual([4, 10]);
  expect(bytesOf(all.kept)).toEqual([64, 64, 0, 0, 0, 0, 0, 0, 0, 255]);
  expect(bytesOf(keptHeat(layers, 10, { layer: 1, head: 1 }).kept)).toEqual([0, 255, 0, 0, 0, 0, 0, 0, 0, 255]);
  expect(bytesOf(keptHeat(layers, 10, { layer: 0, head: null }).kept)[0]).toBe(128);
  expect(keptHeat(layers, 10, { layer: 7, head: null }).pairs).toBe(0);
});

it('reads nothing beyond the prompt, though bits come in bytes', () => {
  expect(bytesOf(keptHeat([layerOf(0, [[0, 1, 2, 7]], 8)], 3, { layer: null, head: null }).kept)).toEqual([
    255, 255, 255,
  ]);
});
