import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSafetensors, type TensorToWrite } from '../../testing/safetensors.writer.js';
import { CheckpointFolder } from '../checkpoint.folder.js';
import { Weights } from '../weights.js';
import { fromFloat8 } from './fp8.tensor.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-fp8-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

/** Codes of 1, 2, 3, ... in E4M3, whose values these are exactly up to 16. */
const ONE_TO_EIGHT = [0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c, 0x4e, 0x50];
const matrix: TensorToWrite = { dtype: 'F8_E4M3', shape: [2, 4], data: Uint8Array.from(ONE_TO_EIGHT) };
const scales = (shape: number[], values: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(values),
});

function open(tensors: Record<string, TensorToWrite>, tile?: [number, number]): Weights {
  writeSafetensors(join(dir, 'model.safetensors'), tensors);
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ quantization_config: { quant_method: 'fp8', weight_block_size: tile } }));
  return Weights.open(new CheckpointFolder(dir), (name) => name);
}

describe('FP8', () => {
  it('has zeros, subnormals, signs and a largest value', () => {
    expect([...fromFloat8(Uint8Array.of(0, 0x80, 1, 0x87, 0x38, 0xb8, 0x7e, 0xfe))]).toEqual([
      0, -0, 2 ** -9, -7 * 2 ** -9, 1, -1, 448, -448,
    ]);
    expect([...fromFloat8(Uint8Array.of(0x7f, 0xff))]).toEqual([NaN, NaN]);
  });

  it.each([
    ['one scale', scales([], [10]), undefined, [10, 20, 30, 40, 50, 60, 70, 80]],
    ['one scale in a list', scales([1], [10]), undefined, [10, 20, 30, 40, 50, 60, 70, 80]],
    ['a scale an output', scales([2, 1], [10, 100]), undefined, [10, 20, 30, 40, 500, 600, 700, 800]],
    ['a scale a tile', scales([1, 2], [10, 100]), [2, 2], [10, 20, 300, 400, 50, 60, 700, 800]],
    ['tiles that reach beyond the matrix', scales([1, 2], [10, 100]), [128, 3], [10, 20, 30, 400, 50, 60, 70, 800]],
  ] as const)('is read with %s', (_, stored, tile, expected) => {
    const weights = open({ 'm.weight': matrix, 'm.weight_scale_inv': stored }, tile && [...tile]);
    weights.verify([{ name: 'm.weight', shape: [2, 4] }]);
    expect([...weights.read('m.weight')]).toEqual(expected);
    expect([...weights.read('m.weight', { start: 1, end: 2 })]).toEqual(expected.slice(4));
    expect(weights.packed('m.weight', [2, 4])).toBeUndefined();
  });

  it('is read beside matrices that are stored as they were', () => {
    const weights = open({ 'm.weight': matrix, 'm.weight_scale': scales([1], [2]), 'n.weight': scales([2], [3, 4]) });
    expect([...weights.read('n.weight')]).toEqual([3, 4]);
    expect(weights.stored('m.weight').map(({ storedName }) => storedName)).toEqual(['m.weight', 'm.weight_scale']);
  });

  it('is refused without scales, with those of another shape, and as what rows are looked up in', () => {
    expect(() => open({ 'm.weight': matrix }).read('m.weight')).toThrow('m.weight is F8_E4M3; supported are F32, F16, BF16');
    const other = open({ 'm.weight': matrix, 'm.weight_scale_inv': scales([1, 3], [1, 2, 3]) });
    expect(() => other.read('m.weight')).toThrow('m.weight_scale_inv is [1, 3], which does not divide a matrix of [2, 4]');
    const scaled = open({ 'm.weight': matrix, 'm.weight_scale_inv': scales([1], [2]) });
    expect(() => scaled.locate('m.weight')).toThrow('m.weight is F8_E4M3');
  });
});
