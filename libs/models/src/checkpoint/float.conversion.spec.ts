import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBfloat16, fromFloat16, toFloat32 } from './float.conversion.js';

describe('fromFloat16', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x83ff, -1023 * 2 ** -24],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ])('reads %i as %d', (bits, value) => {
    expect(fromFloat16(Uint16Array.of(bits))[0]).toBe(value);
  });
});

describe('fromBfloat16', () => {
  it('keeps the upper half of a float32', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (value) => {
        const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
        const cut = new Float32Array(Uint32Array.of((bits >>> 16) << 16).buffer)[0];
        expect(fromBfloat16(Uint16Array.of(bits >>> 16))[0]).toBe(cut);
      }),
    );
  });
});

describe('toFloat32', () => {
  it('reads bytes at any alignment', () => {
    const values = Float32Array.of(1.5, -2, 3e-7);
    const shifted = new Uint8Array(13);
    shifted.set(new Uint8Array(values.buffer), 1);
    expect(toFloat32(shifted.subarray(1), 'F32')).toEqual(values);
    expect(toFloat32(Uint8Array.of(9, 0x80, 0x3f).subarray(1), 'BF16')).toEqual(Float32Array.of(1));
  });

  it('copies, so that the source may be reused', () => {
    const source = new Uint8Array(Float32Array.of(1).buffer);
    const values = toFloat32(source, 'F32');
    source.fill(0);
    expect(values[0]).toBe(1);
  });
});
