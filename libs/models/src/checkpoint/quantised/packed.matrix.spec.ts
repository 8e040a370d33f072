import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { writeSafetensors, type TensorToWrite } from '../../testing/safetensors.writer.js';
import { CheckpointFolder } from '../checkpoint.folder.js';
import { Weights } from '../weights.js';
import type { PackedMatrix } from './packed.matrix.js';

const root = mkdtempSync(join(tmpdir(), 'madakv-packed-'));
afterAll(() => {
  rmSync(root, { recursive: true });
});
let run = 0;
let dir: string;
beforeEach(() => {
  dir = join(root, String(run++));
});

/** A matrix before it is packed: `[outputs][inputs]` codes, `[groups][outputs]` scales and zero points. */
interface Codes {
  readonly codes: readonly (readonly number[])[];
  readonly scales: readonly (readonly number[])[];
  readonly zeros: readonly (readonly number[])[];
  /** `[inputs]` */
  readonly groupOf: readonly number[];
}

/** A matrix of pseudo-random codes; zero points are of the whole range, 0 and the highest among them. */
function matrix(outputs: number, inputs: number, groupSize: number, bits: 4 | 8, seed = 1): Codes {
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const rows = (count: number, of: number, value: (row: number, at: number) => number): number[][] =>
    Array.from({ length: count }, (_, row) => Array.from({ length: of }, (_, at) => value(row, at)));
  const groups = Math.ceil(inputs / groupSize);
  const top = 2 ** bits - 1;
  return {
    codes: rows(outputs, inputs, () => next(top + 1)),
    scales: rows(groups, outputs, () => (1 + next(63)) / 64),
    zeros: rows(groups, outputs, (group, output) => [0, top, next(top + 1)][(group + output) % 3]),
    groupOf: Array.from({ length: inputs }, (_, input) => Math.floor(input / groupSize)),
  };
}

/** `[outputs][inputs]`: what the codes stand for, as every quantiser defines it. */
const meaning = ({ codes, scales, zeros, groupOf }: Codes): number[][] =>
  codes.map((row, output) =>
    row.map((code, input) => (code - zeros[groupOf[input]][output]) * scales[groupOf[input]][output]),
  );

/** Packs rows along their last axis, as all formats do; `places` says which value each place of a word holds. */
function words(rows: readonly (readonly number[])[], bits: number, places?: readonly number[]): Uint32Array {
  const each = 32 / bits;
  return Uint32Array.from(
    rows.flatMap((row) =>
      Array.from({ length: Math.ceil(row.length / each) }, (_, word) => {
        let value = 0;
        for (let i = 0; i < each; i++) value += (row[word * each + (places?.[i] ?? i)] ?? 0) * 2 ** (bits * i);
        return value;
      }),
    ),
  );
}

const turned = (rows: readonly (readonly number[])[]): number[][] => rows[0].map((_, i) => rows.map((row) => row[i]));
const floats = (rows: readonly (readonly number[])[]): TensorToWrite => ({
  dtype: 'F32',
  shape: [rows.length, rows[0].length],
  data: Float32Array.from(rows.flat()),
});
const ints = (data: Uint32Array | Int32Array, shape: readonly number[]): TensorToWrite => ({ dtype: 'I32', shape, data });

const without = (tensors: Record<string, TensorToWrite>, name: string): Record<string, TensorToWrite> =>
  Object.fromEntries(Object.entries(tensors).filter(([key]) => key !== name));

function gptqParts(source: Codes, bits: 4 | 8, storesOneLess: boolean): Record<string, TensorToWrite> {
  const [outputs, inputs] = [source.codes.length, source.codes[0].length];
  const stored = words(source.zeros, bits);
  if (storesOneLess) for (let i = 0; i < stored.length; i++) stored[i] -= bits === 4 ? 0x11111111 : 0x01010101;
  const packed = words(source.codes, bits);
  const width = (inputs * bits) / 32;
  const qweight = Uint32Array.from(packed, (_, i) => packed[(i % outputs) * width + Math.floor(i / outputs)]);
  return {
    'm.qweight': ints(qweight, [width, outputs]),
    'm.qzeros': ints(stored, [source.zeros.length, (outputs * bits) / 32]),
    'm.scales': floats(source.scales),
    'm.g_idx': ints(Int32Array.from(source.groupOf), [inputs]),
  };
}

function awqParts({ codes, scales, zeros }: Codes): Record<string, TensorToWrite> {
  const order = [0, 2, 4, 6, 1, 3, 5, 7];
  return {
    'm.qweight': ints(words(turned(codes), 4, order), [codes[0].length, codes.length / 8]),
    'm.qzeros': ints(words(zeros, 4, order), [zeros.length, codes.length / 8]),
    'm.scales': floats(scales),
  };
}

function compressedParts({ codes, scales, zeros, groupOf }: Codes, bits: 4 | 8): Record<string, TensorToWrite> {
  // Packed along the outputs, then turned: [words, groups].
  const along = words(zeros, bits);
  const width = along.length / zeros.length;
  const stored = Uint32Array.from(along, (_, i) => along[(i % zeros.length) * width + Math.floor(i / zeros.length)]);
  return {
    'm.weight_packed': ints(words(codes, bits), [codes.length, (codes[0].length * bits) / 32]),
    'm.weight_scale': floats(turned(scales)),
    'm.weight_zero_point': ints(stored, [width, zeros.length]),
    'm.weight_g_idx': ints(Int32Array.from(groupOf), [groupOf.length]),
  };
}

function open(quantization: unknown, tensors: Record<string, TensorToWrite>): Weights {
  writeSafetensors(join(dir, 'model.safetensors'), tensors);
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ quantization_config: quantization }));
  return Weights.open(new CheckpointFolder(dir), (name) => name);
}

function read(quantization: unknown, tensors: Record<string, TensorToWrite>, shape: [number, number]): PackedMatrix {
  const weights = open(quantization, tensors);
  weights.verify([{ name: 'm.weight', shape }]);
  const packed = weights.packed('m.weight', shape);
  if (packed === undefined) throw new Error('the matrix was not packed');
  return packed;
}

/** `[outputs][inputs]`: what a packed matrix multiplies each input with, by the operator's definition. */
function meaningOf({ bits, outputs, inputs, blockSize, packed, scales, zeroPoints, order }: PackedMatrix): number[][] {
  const blocks = Math.ceil(inputs / blockSize);
  const code = (bytes: Uint8Array, at: number, start: number): number =>
    bits === 8 ? bytes[start + at] : (bytes[start + (at >> 1)] >> (4 * (at & 1))) & 15;
  return Array.from({ length: outputs }, (_, output) => {
    const row = new Array<number>(inputs);
    for (let at = 0; at < inputs; at++) {
      const block = Math.floor(at / blockSize);
      const start = ((output * blocks + block) * blockSize * bits) / 8;
      const zeroStart = output * Math.ceil((blocks * bits) / 8);
      const zero = zeroPoints === undefined ? 2 ** (bits - 1) : code(zeroPoints, block, zeroStart);
      row[order?.[at] ?? at] = (code(packed, at % blockSize, start) - zero) * scales[output * blocks + block];
    }
    return row;
  });
}

const gptq = (format = 'gptq', groupSize = 32): unknown => ({
  quant_method: 'gptq',
  bits: 4,
  group_size: groupSize,
  checkpoint_format: format,
});
const awq = { quant_method: 'awq', bits: 4, group_size: 32, version: 'GEMM' };
const compressed = (groupSize: number | null = 32): unknown => ({
  quant_method: 'compressed-tensors',
  format: 'pack-quantized',
  config_groups: { group_0: { weights: { num_bits: 4, symmetric: false, group_size: groupSize }, input_activations: null } },
});

describe('matrices that others packed', () => {
  it.each([4, 8] as const)('GPTQ at %d bits, its zero points stored one less or as they are', (bits) => {
    const source = matrix(16, 96, 32, bits);
    expect(meaningOf(read(gptq(), gptqParts(source, bits, true), [16, 96]))).toEqual(meaning(source));
    expect(meaningOf(read(gptq('gptq_v2'), gptqParts(source, bits, false), [16, 96]))).toEqual(meaning(source));
  });

  it('GPTQ with act-order: inputs of a group stand anywhere', () => {
    const order = fc.shuffledSubarray(Array.from({ length: 64 }, (_, i) => i), { minLength: 64 });
    fc.assert(
      fc.property(order, fc.constantFrom(4 as const, 8 as const), fc.integer({ min: 1, max: 1e6 }), (places, bits, seed) => {
        const plain = matrix(8, 64, 16, bits, seed);
        const source = { ...plain, groupOf: places.map((place) => Math.floor(place / 16)) };
        const packed = read(gptq('gptq', 16), gptqParts(source, bits, true), [8, 64]);
        expect(meaningOf(packed)).toEqual(meaning(source));
      }),
      { numRuns: 25 },
    );
  });

  it('GPTQ with inputs in order needs no order', () => {
    const source = matrix(8, 64, 32, 4);
    expect(read(gptq(), gptqParts(source, 4, true), [8, 64]).order).toBeUndefined();
    expect(meaningOf(read(gptq(), without(gptqParts(source, 4, true), 'm.g_idx'), [8, 64]))).toEqual(meaning(source));
  });

  it.each([
    ['of a whole row', -1, 112, 112],
    ['of a whole row that is longer than a block', -1, 304, 304],
    ['of 48, which are blocks of 16', 48, 96, 48],
    ['of 1,024, which are blocks of 128', 1024, 2048, 1024],
    ['of which the last is short', 64, 96, 64],
  ])('GPTQ with groups %s', (_, configured, inputs, groupSize) => {
    const source = matrix(8, inputs, groupSize, 4);
    expect(meaningOf(read(gptq('gptq', configured), gptqParts(source, 4, true), [8, inputs]))).toEqual(meaning(source));
  });

  it('GPTQ with groups of another size than config.json says', () => {
    const source = matrix(8, 128, 64, 4);
    expect(meaningOf(read(gptq('gptq', 32), gptqParts(source, 4, true), [8, 128]))).toEqual(meaning(source));
  });

  it('AWQ, whose outputs are interleaved', () => {
    const source = matrix(144, 96, 32, 4);
    expect(meaningOf(read(awq, awqParts(source), [144, 96]))).toEqual(meaning(source));
  });

  it.each([4, 8] as const)('compressed-tensors at %d bits', (bits) => {
    const source = matrix(16, 96, 32, bits);
    expect(meaningOf(read(compressed(), compressedParts(source, bits), [16, 96]))).toEqual(meaning(source));
  });

  it('compressed-tensors with act-order, and with a scale an output', () => {
    const plain = matrix(8, 64, 16, 4);
    const source = { ...plain, groupOf: plain.groupOf.map((_, input) => input % 4) };
    expect(meaningOf(read(compressed(16), compressedParts(source, 4), [8, 64]))).toEqual(meaning(source));
    const whole = matrix(8, 64, 64, 4);
    expect(meaningOf(read(compressed(null), compressedParts(whole, 4), [8, 64]))).toEqual(meaning(whole));
  });

  it('need no zero points where they are symmetric', () => {
    const plain = matrix(8, 64, 32, 4);
    const source = { ...plain, zeros: plain.zeros.map((row) => row.map(() => 8)) };
    const packed = read(gptq(), gptqParts(source, 4, true), [8, 64]);
    expect(packed.zeroPoints).toBeUndefined();
    expect(meaningOf(packed)).toEqual(meaning(source));
  });
});

describe('what is wrong with a packed matrix is named', () => {
  const parts = (): Record<string, TensorToWrite> => gptqParts(matrix(16, 96, 32, 4), 4, true);
  const verify = (tensors: Record<string, TensorToWrite>, quantization = gptq(), shape = [16, 96]): (() => void) => {
    const weights = open(quantization, tensors);
    return () => {
      weights.verify([{ name: 'm.weight', shape }]);
    };
  };

  it('a missing part', () => {
    expect(verify(without(parts(), 'm.qzeros'))).toThrow(/model\.safetensors: m\.qweight has no qzeros beside it/);
  });

  it('a shape that config.json does not ask for', () => {
    expect(verify(parts(), gptq(), [24, 96])).toThrow('m.qweight is [12, 16], the matrix takes [12, 24]');
  });

  it('bits that are not supported', () => {
    const narrow = { ...parts(), 'm.qweight': ints(new Uint32Array(6 * 16), [6, 16]) };
    expect(verify(narrow)).toThrow('m.qweight has 2 bits; supported are 4 and 8');
  });

  it('groups that are no multiple of 16', () => {
    const source = matrix(8, 96, 24, 4);
    expect(verify(gptqParts(source, 4, true), gptq('gptq', 24), [8, 96])).toThrow('m.scales has groups of 24; supported are multiples of 16');
  });

  it('an act-order with groups of unequal numbers', () => {
    const uneven = { ...parts(), 'm.g_idx': ints(new Int32Array(96), [96]) };
    expect(verify(uneven)).toThrow('m.g_idx does not put 32 inputs into each group');
  });

  it('a type that is not supported', () => {
    const wrong = { ...parts(), 'm.scales': { dtype: 'F8_E4M3', shape: [3, 16], data: new Uint8Array(48) } };
    expect(verify(wrong)).toThrow('m.scales is F8_E4M3; supported: F32, F16, BF16');
  });

  it('a bias that the layer does not have, unless it is zero', () => {
    const bias = (value: number): TensorToWrite => ({ dtype: 'F32', shape: [16], data: new Float32Array(16).fill(value) });
    expect(verify({ ...parts(), 'm.bias': bias(0) })).not.toThrow();
    expect(verify({ ...parts(), 'm.bias': bias(0.5) })).toThrow('m.bias is not zero, but the layer has no bias');
  });

  it('one that is read as if it were plain', () => {
    expect(() => open(gptq(), parts()).read('m.weight')).toThrow('m.qweight is I32; supported are F32, F16, BF16');
  });
});
