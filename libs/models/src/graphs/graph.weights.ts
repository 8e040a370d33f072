import type { DataType, ExternalRange, GraphBuilder, Value } from '@madakv/onnx';
import { quantiseRows } from './quantise.js';

/** How the large matrices of a graph are stored. Vectors (norms, biases) are float32 always. */
export type Precision = { readonly kind: 'fp32' } | { readonly kind: 'int'; readonly bits: 4 | 8; readonly blockSize: number };

/** Where a graph takes its tensors from: the checkpoint, under normalised names. */
export interface TensorSource {
  /** @returns the dimensions of a tensor */
  shape(name: string): readonly number[];
  /** @returns all values of a tensor, row-major, converted to float32 */
  read(name: string): Float32Array;
}

/** Where the large tensors of a graph go: a file beside it. */
export interface BlobSink {
  write(bytes: Uint8Array): ExternalRange;
}

/** Adds the layers of a checkpoint to a graph. Matrices go to the sink one at a time, so building needs little memory. */
export class GraphWeights {
  constructor(
    private readonly graph: GraphBuilder,
    private readonly tensors: TensorSource,
    private readonly blobs: BlobSink,
    private readonly precision: Precision,
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
    if (this.precision.kind === 'fp32') {
      const matrix = this.external('weight', 'float32', [rows, columns], this.concat(weights));
      return this.graph.op('Gemm', [x, matrix, bias], { transB: 1 });
    }
    const { bits, blockSize } = this.precision;
    const { packed, scales } = quantiseRows(this.concat(weights), rows, columns, bits, blockSize);
    const blocks = Math.ceil(columns / blockSize);
    return this.graph.contrib(
      'MatMulNBits',
      [
        x,
        this.external('weight', 'uint8', [rows, blocks, (blockSize * bits) / 8], packed),
        this.external('scale', 'float32', [rows * blocks], scales),
        null,
        null,
        bias,
      ],
      { K: columns, N: rows, bits, block_size: blockSize, accuracy_level: 4 },
    );
  }

  private external(name: string, type: DataType, dims: readonly number[], data: Float32Array | Uint8Array): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // ONNX Runtime refuses empty ranges and gains nothing from mapping a few bytes.
    if (bytes.byteLength < 1024) return this.graph.constant(data, dims, type);
    return this.graph.external(name, type, dims, this.blobs.write(bytes));
  }

  private concat(names: readonly string[]): Float32Array {
    if (names.length === 1) return this.tensors.read(names[0]);
    const parts = names.map((name) => this.tensors.read(name));
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }
}
