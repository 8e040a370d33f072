import { zeroCode } from '@madakv/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantiseOutputs, quantiseRows } from './quantise.js';

/** The values a quantised matrix stands for, `[rows, columns]`. */
function dequantise(
  { packed, scales }: { packed: Uint8Array; scales: Float32Array },
  rows: number,
  columns: number,
  bits: 4 | 8,
  blockSize: number,
): number[] {
  const blocks = Math.ceil(columns / blockSize);
  const blockBytes = (blockSize * bits) / 8;
  const zero = 2 ** (bits - 1);
  return Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    const column = i % columns;
    const block = row * blocks + Math.floor(column / blockSize);
    const place = column % blockSize;
    const byte = packed[block * blockBytes + Math.floor((place * bits) / 8)];
    const code = bits === 8 ? byte : (byte >> (4 * (place % 2))) & 15;
    return (code - zero) * scales[block];
  });
}

describe('quantiseRows', () => {
  it.each([4, 8] as const)('is off by one step at most, at %d bits', (bits) => {
    const values = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 3 }), fc.constantFrom(16, 32), (columnValues, rows, blockSize) => {
        const columns = columnValues.length;
        const matrix = Float32Array.from({ length: rows * columns }, (_, i) => columnValues[i % columns] * (1 + i));
        const result = quantiseRows(matrix, rows, columns, bits, blockSize);
        const restored = dequantise(result, rows, columns, bits, blockSize);
        const blocks = Math.ceil(columns / blockSize);
        restored.forEach((value, i) => {
          const block = Math.floor(i / columns) * blocks + Math.floor((i % columns) / blockSize);
          // The end of the range opposite to the largest value is one step short of it.
          expect(Math.abs(value - matrix[i])).toBeLessThanOrEqual(Math.abs(result.scales[block]) * 1.001 + 1e-30);
        });
      }),
    );
  });

  it('keeps the largest value of a block exactly', () => {
    const matrix = Float32Array.of(0.25, -1.5, 0.5, 0.1);
    const restored = dequantise(quantiseRows(matrix, 1, 4, 4, 16), 1, 4, 4, 16);
    expect(restored[1]).toBeCloseTo(-1.5, 6);
  });

  it('leaves zeros zero', () => {
    const result = quantiseRows(new Float32Array(64), 2, 32, 8, 32);
    expect(result.scales.every((scale) => scale === 0)).toBe(true);
    expect(new Set(result.packed)).toEqual(new Set([128]));
  });
});

describe('quantiseOutputs', () => {
  it.each(['int8', 'uint8'] as const)('is off by half a step at most, and transposes (%s)', (type) => {
    const [outputs, inputs] = [3, 5];
    const values = Float32Array.from({ length: outputs * inputs }, (_, i) => Math.sin(i) * (1 + i));
    const { transposed, scales } = quantiseOutputs(values, outputs, inputs, type);
    values.forEach((value, i) => {
      const [output, input] = [Math.floor(i / inputs), i % inputs];
      const restored = (transposed[input * outputs + output] - zeroCode[type]) * scales[output];
      expect(Math.abs(restored - value)).toBeLessThanOrEqual(scales[output] * 0.501);
    });
  });

  it('leaves an output of zeros zero', () => {
    const { transposed, scales } = quantiseOutputs(new Float32Array(4), 1, 4, 'int8');
    expect([...transposed, ...scales]).toEqual([0, 0, 0, 0, 0]);
  });
});
