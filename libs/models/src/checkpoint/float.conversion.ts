/** Number formats of stored weights this package reads. */
export type FloatType = 'F32' | 'F16' | 'BF16';

/** Bytes of one stored value. */
export const floatBytes: Record<FloatType, number> = { F32: 4, F16: 2, BF16: 2 };

export function isFloatType(dtype: string): dtype is FloatType {
  return dtype in floatBytes;
}

/** Widens stored little-endian values; the result is a copy. `bytes.length` is a multiple of the value's size. */
export function toFloat32(bytes: Uint8Array, type: FloatType): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (type === 'F32') {
    return new Float32Array(aligned.buffer, aligned.byteOffset, bytes.length / 4).slice();
  }
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, bytes.length / 2);
  return type === 'BF16' ? fromBfloat16(halves) : fromFloat16(halves);
}

/** bfloat16 is the upper half of a float32. */
export function fromBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

/** IEEE 754 binary16, subnormals, infinities and NaN included. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = half(halves[i]);
  return values;
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

function half(value: number): number {
  const sign = value & 0x8000 ? -1 : 1;
  const exponent = (value >> 10) & 0x1f;
  const fraction = value & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  bits[0] = ((value & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13);
  return float[0];
}
