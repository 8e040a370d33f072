import { zeroCode, type CodeType, type DataType, type ExternalRange, type GraphBuilder, type Value } from '@madakv/onnx';
import type { PackedMatrix } from '../checkpoint/quantised/packed.matrix.js';
import { quantiseOutputs, quantiseRows } from './quantise.js';
import { concatenated, sameOrder, stacked } from './stacked.matrix.js';
import { splitDigits } from './split.digits.js';

/**
 * How the large matrices of a graph are stored and multiplied. Vectors (norms, biases) are float32 always. Matrices that a checkpoint has in
 * 4 or 8 bits stay as they are; what those of 4 bits are multiplied with is rounded with `int`, and not with `fp32`.
 *
 * - `fp16`: weights of 16 bits in blocks with a scale each, for GPUs: nearer to the original than float16 numbers, and summed in float32
 *   (docs/adr/0011).
 * - `int`: weights of 4 or 8 bits with a scale a block (`MatMulNBits`): the least memory, nearest to the original.
 * - `w8a8`: weights of 8 bits with a scale an output, activations rounded to 8 bits with a scale a row: on processors with
 *   int8 matrix instructions several times faster at prefill and in batches, at some loss where activations have outliers.
 */
export type Precision =
  | { readonly kind: 'fp32' }
  | { readonly kind: 'fp16' }
  | { readonly kind: 'int'; readonly bits: 4 | 8; readonly blockSize: number }
  | { readonly kind: 'w8a8' };

/** A precision with all that decides how a graph is written. */
export type WeightFormat =
  | Exclude<Precision, { readonly kind: 'w8a8' }>
  /** `codes`: their type, one with which the provider's products are exact. */
  | { readonly kind: 'w8a8'; readonly codes: CodeType };

/** Weights that share their scales. Of blocks of 32 the kernels for many rows are several times faster than of longer ones. */
const DIGIT_BLOCK = 32;

/** `accuracy_level` of `MatMulNBits` with which inputs and sums are float32. */
const FLOAT_SUMS = 1;

/** Zero point of 8-bit activations, which are uint8 always. */
const MIDDLE = zeroCode.uint8;

type BlobData = Float32Array | Uint8Array | Int8Array | Int32Array;

/** Where a graph takes its tensors from: the checkpoint, under normalised names. */
export interface TensorSource {
  /** @returns the dimensions of a tensor */
  shape(name: string): readonly number[];
  /** @returns all values of a tensor, row-major, converted to float32 */
  read(name: string): Float32Array;
  /** @returns a matrix that is stored in codes of 4 or 8 bits, as it is; `read` takes only others */
  packed?(name: string): PackedMatrix | undefined;
}

/** Where the large tensors of a graph go: a file beside it. */
export interface BlobSink {
  write(bytes: Uint8Array): ExternalRange;
}

/** Adds the layers of a checkpoint to a graph. Matrices go to the sink one at a time, so building needs little memory. */
export class GraphWeights {
  /** Inputs that were rounded to 8 bits already: query, key and value share theirs, gate and up too. */
  private readonly rounded = new Map<Value, { readonly codes: Value; readonly scale: Value }>();
  /** Inputs whose columns were put into a matrix's order, likewise. */
  private readonly arranged: { readonly x: Value; readonly order: Int32Array; readonly result: Value }[] = [];
  /** Inputs that stand twice side by side already, likewise. */
  private readonly doubled = new Map<Value, Value>();

  constructor(
    private readonly graph: GraphBuilder,
    private readonly tensors: TensorSource,
    private readonly blobs: BlobSink,
    private readonly format: WeightFormat,
  ) {}

  /** A small tensor, kept in the graph itself, with its own shape or the one given. */
  tensor(name: string, dims?: readonly number[]): Value {
    return this.graph.constant(this.tensors.read(name), dims ?? this.tensors.shape(name));
  }

  /**
   * `x * W^T + b` for weights in the checkpoint's layout `[out, in]`. Several names are stacked along `out`, so that one
   * product serves e.g. query, key and value.
   * @param x `[rows, in]`
   * @returns `[rows, out]`
   */
  linear(x: Value, weights: readonly string[], biases: readonly string[] = []): Value {
    const shapes = weights.map((name) => this.tensors.shape(name));
    // A patch embedding's kernel is a matrix over all values of a patch.
    const columns = shapes[0].slice(1).reduce((product, dim) => product * dim, 1);
    const rows = shapes.reduce((sum, shape) => sum + shape[0], 0);
    const bias = biases.length === 0 ? null : this.graph.constant(this.concat(biases), [rows]);
    const packed = weights.map((name) => this.tensors.packed?.(name));
    if (packed.some((matrix) => matrix !== undefined)) return this.packedProduct(x, weights, packed, bias);
    if (this.format.kind === 'fp32' || (this.format.kind === 'fp16' && columns % DIGIT_BLOCK !== 0)) {
      const matrix = this.external('weight', 'float32', [rows, columns], this.concat(weights));
      return this.graph.op('Gemm', [x, matrix, bias], { transB: 1 });
    }
    if (this.format.kind === 'w8a8') {
      const product = this.integerProduct(x, this.concat(weights), rows, columns, this.format.codes);
      return bias === null ? product : this.graph.op('Add', [product, bias]);
    }
    if (this.format.kind === 'fp16') return this.digitProduct(x, this.concat(weights), rows, columns, bias);
    const { bits, blockSize } = this.format;
    const { packed: codes, scales } = quantiseRows(this.concat(weights), rows, columns, bits, blockSize);
    return this.bitsProduct(x, { bits, outputs: rows, inputs: columns, blockSize, packed: codes, scales }, bias);
  }

  /** A product with matrices of which some are stored in codes; with one of `bits` at a time where they do not go together. */
  private packedProduct(
    x: Value,
    names: readonly string[],
    matrices: readonly (PackedMatrix | undefined)[],
    bias: Value | null,
  ): Value {
    const all = stacked(matrices);
    if (all !== undefined) return this.bitsProduct(this.inOrder(x, all), all, bias);
    const products = names.map((name) => this.linear(x, [name]));
    const product = this.graph.op('Concat', products, { axis: 1 });
    return bias === null ? product : this.graph.op('Add', [product, bias]);
  }

  private bitsProduct(x: Value, matrix: PackedMatrix, bias: Value | null): Value {
    const { bits, outputs, inputs, blockSize, packed, scales, zeroPoints } = matrix;
    const blocks = Math.ceil(inputs / blockSize);
    return this.graph.contrib(
      'MatMulNBits',
      [
        x,
        this.external('weight', 'uint8', [outputs, blocks, (blockSize * bits) / 8], packed),
        this.external('scale', 'float32', [outputs * blocks], scales),
        zeroPoints === undefined ? null : this.external('zero', 'uint8', [zeroPoints.length], zeroPoints),
        null,
        bias,
      ],
      { K: inputs, N: outputs, bits, block_size: blockSize, accuracy_level: this.accuracyLevel(bits) },
    );
  }

  /**
   * 4: the input is rounded to 8 bits in blocks; 1: it is not. For 8 bits ONNX Runtime has no fast product of that kind on a processor (400
   * times as slow).
   */
  private accuracyLevel(bits: 4 | 8): number {
    if (this.format.kind === 'fp16') return FLOAT_SUMS;
    return this.format.kind === 'fp32' && bits === 4 ? 1 : 4;
  }

  /** Puts the columns of `x` into the order of a matrix with act-order. */
  private inOrder(x: Value, { order }: PackedMatrix): Value {
    if (order === undefined) return x;
    const known = this.arranged.find((entry) => entry.x === x && sameOrder(entry.order, order));
    if (known !== undefined) return known.result;
    const result = this.graph.op('Gather', [x, this.external('order', 'int32', [order.length], order)], { axis: 1 });
    this.arranged.push({ x, order, result });
    return result;
  }

  /**
   * A product with weights of two digits of 8 bits: the rows of the second stand behind those of the first, and so does the input, so
   * that one product sums over both. @param values `[rows, columns]`
   */
  private digitProduct(x: Value, values: Float32Array, rows: number, columns: number, bias: Value | null): Value {
    const { packed, scales } = splitDigits(values, rows, columns, DIGIT_BLOCK);
    const blocks = (2 * columns) / DIGIT_BLOCK;
    const twice = this.doubled.get(x) ?? this.graph.op('Concat', [x, x], { axis: -1 });
    this.doubled.set(x, twice);
    return this.graph.contrib(
      'MatMulNBits',
      [
        twice,
        this.external('weight', 'uint8', [rows, blocks, DIGIT_BLOCK], packed),
        this.external('scale', 'float32', [rows * blocks], scales),
        null,
        null,
        bias,
      ],
      { K: 2 * columns, N: rows, bits: 8, block_size: DIGIT_BLOCK, accuracy_level: FLOAT_SUMS },
    );
  }

  /** @param values `[rows, columns]` */
  private integerProduct(x: Value, values: Float32Array, rows: number, columns: number, type: CodeType): Value {
    const graph = this.graph;
    const { codes, scale } = this.roundRows(x);
    const { transposed, scales } = quantiseOutputs(values, rows, columns, type);
    const zero = (codeType: CodeType): Value => graph.constant(Uint8Array.of(zeroCode[codeType]), [], codeType);
    const product = graph.contrib('MatMulIntegerToFloat', [
      codes,
      this.external('weight', type, [columns, rows], transposed),
      graph.scalar(1),
      this.external('scale', 'float32', [rows], scales),
      zero('uint8'),
      zero(type),
    ]);
    return graph.op('Mul', [product, scale]);
  }

  /** Rounds each row of `x` to `[1, 255]` around {@link MIDDLE}, by its own largest magnitude: rows stay independent. */
  private roundRows(x: Value): { readonly codes: Value; readonly scale: Value } {
    const known = this.rounded.get(x);
    if (known !== undefined) return known;
    const graph = this.graph;
    const largest = graph.op('ReduceMax', [graph.op('Abs', [x]), graph.ints(1)], { keepdims: 1 });
    const scale = graph.op('Div', [graph.op('Max', [largest, graph.scalar(1e-20)]), graph.scalar(MIDDLE - 1)]);
    const middle = graph.constant(Uint8Array.of(MIDDLE), []);
    const codes = graph.op('QuantizeLinear', [graph.op('Div', [x, scale]), graph.scalar(1), middle]);
    const result = { codes, scale };
    this.rounded.set(x, result);
    return result;
  }

  private external(name: string, type: DataType, dims: readonly number[], data: BlobData): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // ONNX Runtime refuses empty ranges and gains nothing from mapping a few bytes.
    if (bytes.byteLength < 1024) {
      return this.graph.constant(data instanceof Int8Array ? bytes : data, dims, type);
    }
    return this.graph.external(name, type, dims, this.blobs.write(bytes));
  }

  private concat(names: readonly string[]): Float32Array {
    if (names.length === 1) return this.tensors.read(names[0]);
    return concatenated(names.map((name) => this.tensors.read(name)));
  }
}
