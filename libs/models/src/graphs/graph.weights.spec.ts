import { cpuProvider, GraphBuilder, Tensor } from '@madakv/onnx';
import { describe, expect, it } from 'vitest';
import type { PackedMatrix } from '../checkpoint/quantised/packed.matrix.js';
import { GraphWeights, type TensorSource, type WeightFormat } from './graph.weights.js';

const INPUTS = 48;
const BLOCK = 16;
const BLOCKS = INPUTS / BLOCK;
const ROWS = 3;

/** A matrix in codes, and what they stand for: `[outputs][inputs]`. */
interface Matrix {
  readonly packed: PackedMatrix;
  readonly values: number[][];
}

function matrix(seed: number, bits: 4 | 8, { isSymmetric = false, order }: { isSymmetric?: boolean; order?: Int32Array } = {}): Matrix {
  const outputs = 5;
  const top = 2 ** bits - 1;
  const code = (i: number): number => (i * 7 + seed * 13) % (top + 1);
  const zero = (i: number): number => (isSymmetric ? 2 ** (bits - 1) : (i * 5 + seed) % (top + 1));
  const pack = (values: number[]): number[] =>
    bits === 8 ? values : Array.from({ length: Math.ceil(values.length / 2) }, (_, i) => values[2 * i] | ((values[2 * i + 1] ?? 0) << 4));
  const each = <T>(count: number, value: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => value(i));
  const scales = Float32Array.from(each(outputs * BLOCKS, (i) => (1 + ((i + seed) % 5)) / 64));
  const values = each(outputs, (output) => {
    const row = new Array<number>(INPUTS);
    for (let at = 0; at < INPUTS; at++) {
      const block = output * BLOCKS + Math.floor(at / BLOCK);
      row[order?.[at] ?? at] = (code(output * INPUTS + at) - zero(block)) * scales[block];
    }
    return row;
  });
  const zeroPoints = Uint8Array.from(each(outputs, (output) => pack(each(BLOCKS, (block) => zero(output * BLOCKS + block)))).flat());
  const packed: PackedMatrix = {
    bits,
    outputs,
    inputs: INPUTS,
    blockSize: BLOCK,
    packed: Uint8Array.from(pack(each(outputs * INPUTS, code))),
    scales,
    ...(isSymmetric ? {} : { zeroPoints }),
    ...(order === undefined ? {} : { order }),
  };
  return { packed, values };
}

const plain = (seed: number): number[][] =>
  Array.from({ length: 5 }, (_, output) => Array.from({ length: INPUTS }, (__, input) => Math.cos(seed + output * INPUTS + input)));
const reversed = Int32Array.from({ length: INPUTS }, (_, i) => INPUTS - 1 - i);

type Stored = Matrix | number[][];
const valuesOf = (stored: Stored): number[][] => (Array.isArray(stored) ? stored : stored.values);

/** Runs one layer of these matrices, stacked, and a bias. @returns how far it is from the plain product, of its largest value */
async function errorOf(stored: readonly Stored[], format: WeightFormat): Promise<number> {
  const names = stored.map((_, i) => `m${i}`);
  const find = (name: string): Stored => stored[Number(name.slice(1))];
  const bias = Float32Array.from({ length: 5 * stored.length }, (_, i) => i / 8);
  const source: TensorSource = {
    shape: (name) => (name === 'bias' ? [bias.length] : [5, INPUTS]),
    read: (name) => (name === 'bias' ? bias : Float32Array.from(valuesOf(find(name)).flat())),
    packed: (name) => {
      const found = find(name);
      return Array.isArray(found) ? undefined : found.packed;
    },
  };
  const graph = new GraphBuilder('layer');
  const blobs = {
    write: (): never => {
      throw new Error('small matrices stay in the graph');
    },
  };
  const x = graph.input('x', 'float32', ['rows', INPUTS]);
  const y = new GraphWeights(graph, source, blobs, format).linear(x, names, ['bias']);
  graph.output('y', y, 'float32', ['rows', bias.length]);
  const session = await cpuProvider(1).createSession({ bytes: graph.encode() });
  const input = Float32Array.from({ length: ROWS * INPUTS }, (_, i) => Math.sin(i));
  const result = (await session.run({ x: new Tensor('float32', input, [ROWS, INPUTS]) }))['y'].data as Float32Array;
  await session.release();
  const rows = stored.flatMap(valuesOf);
  const expected = Array.from({ length: ROWS }, (_, row) =>
    rows.map((values, output) => values.reduce((sum, value, input_) => sum + value * input[row * INPUTS + input_], bias[output])),
  ).flat();
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - result[i]))) / largest;
}

const exact: WeightFormat = { kind: 'fp32' };
const rounded: WeightFormat = { kind: 'int', bits: 4, blockSize: 32 };

describe('a layer of matrices that are stored in codes', () => {
  it.each([
    ['one with zero points', [matrix(1, 4)]],
    ['one without', [matrix(1, 4, { isSymmetric: true })]],
    ['some with and some without', [matrix(1, 4), matrix(2, 4, { isSymmetric: true }), matrix(3, 4)]],
    ['one in another order', [matrix(1, 4, { order: reversed })]],
    ['several in the same order', [matrix(1, 4, { order: reversed }), matrix(2, 4, { order: reversed.slice() })]],
    ['several in orders of their own', [matrix(1, 4, { order: reversed }), matrix(2, 4)]],
    ['codes beside plain values', [matrix(1, 4), plain(2), matrix(3, 4, { order: reversed })]],
  ])('is exact in full precision: %s', async (_, stored) => {
    expect(await errorOf(stored, exact)).toBeLessThan(1e-5);
    expect(await errorOf(stored, rounded)).toBeLessThan(stored.some((each) => Array.isArray(each)) ? 0.2 : 0.02);
  });

  it.each([
    ['8 bits with zero points', [matrix(1, 8)]],
    ['8 bits without', [matrix(1, 8, { isSymmetric: true })]],
    ['4 bits beside 8', [matrix(1, 4), matrix(2, 8, { order: reversed })]],
  ])('is near with inputs that are rounded: %s', async (_, stored) => {
    expect(await errorOf(stored, exact)).toBeLessThan(0.02);
  });
});
