import type { TensorSpec } from '../family.js';
import { CheckpointError } from './checkpoint.error.js';
import type { CheckpointFolder } from './checkpoint.folder.js';
import { floatBytes, isFloatType, toFloat32, type FloatType } from './float.conversion.js';
import { applyTileScales, fromFloat8, readTileScales } from './quantised/fp8.tensor.js';
import type { MatrixLayout, PackedMatrix } from './quantised/packed.matrix.js';
import type { NamedTensor } from './quantised/part.reader.js';
import { readQuantisation } from './quantised/quantisation.js';
import { QuantisedTensors } from './quantised/quantised.tensors.js';
import { readRange, storedTensors } from './stored.tensors.js';

/** Where a tensor lies: enough for ONNX external data (`file`, `offset`, `length` in bytes, any alignment). */
export interface WeightLocation {
  /** Normalised name. */
  name: string;
  /** Name in the file. */
  storedName: string;
  /** Path of the safetensors file. */
  file: string;
  dtype: FloatType;
  shape: number[];
  offset: number;
  length: number;
}

/** The weights of a checkpoint by normalised name. Holds no data: every read goes to the file. */
export class Weights {
  private constructor(
    private readonly folder: CheckpointFolder,
    private readonly entries: ReadonlyMap<string, NamedTensor>,
    private readonly quantised: QuantisedTensors,
  ) {}

  /**
   * Reads all headers, and from config.json how matrices are stored.
   * @param normalise normalised name of a stored tensor, or undefined for one that is not used
   * @throws CheckpointError `missing_file`, `truncated_safetensors`, `bad_safetensors`, `missing_tensor` (the index
   * names a tensor its file does not have), `unsupported_feature` (a quantisation that is not known)
   */
  static open(folder: CheckpointFolder, normalise: (name: string) => string | undefined): Weights {
    const quantised = new QuantisedTensors(readQuantisation(folder));
    const entries = new Map<string, NamedTensor>();
    for (const [storedName, tensor] of storedTensors(folder)) {
      if (quantised.add(storedName, tensor, normalise)) continue;
      const name = normalise(storedName);
      if (name !== undefined) entries.set(name, { ...tensor, storedName });
    }
    return new Weights(folder, entries, quantised);
  }

  get names(): string[] {
    return [...new Set([...this.entries.keys(), ...this.quantised.packedNames])];
  }

  /** All weight files, for hashing and mapping. */
  get files(): string[] {
    return [...new Set([...this.entries.values(), ...this.quantised.tensors].map(({ file }) => file))].sort();
  }

  /** How matrices are stored that the checkpoint has in codes already, such as `awq`; undefined where it has none. */
  get packing(): string | undefined {
    return this.quantised.packing;
  }

  has(name: string): boolean {
    return this.entries.has(name) || this.quantised.isPacked(name);
  }

  /** All that is stored of a tensor: itself, or the parts of a quantised matrix. @throws CheckpointError `missing_tensor` */
  stored(name: string): readonly NamedTensor[] {
    const entry = this.entries.get(name);
    const parts = this.quantised.partsOf(name);
    if (entry === undefined && parts.length === 0) throw this.missing(name);
    return entry === undefined ? parts : [entry, ...parts];
  }

  /**
   * Where a tensor lies whose values are as they are stored.
   * @throws CheckpointError `missing_tensor`, `unsupported_dtype`, also for a quantised matrix
   */
  locate(name: string): WeightLocation {
    const [entry] = this.stored(name);
    if (!isFloatType(entry.dtype)) {
      throw new CheckpointError(
        'unsupported_dtype',
        `${entry.file}: ${entry.storedName} is ${entry.dtype}; supported are ${Object.keys(floatBytes).join(', ')}`,
      );
    }
    return { ...entry, name, dtype: entry.dtype };
  }

  /**
   * A matrix that is stored in codes, or undefined for one that is not.
   * @param shape `[outputs, inputs]`
   * @throws CheckpointError `missing_tensor`, `tensor_shape`, `unsupported_dtype`, `unsupported_feature`
   */
  packed(name: string, shape: readonly number[]): PackedMatrix | undefined {
    return this.quantised.isPacked(name) ? this.quantised.read(name, shape) : undefined;
  }

  /** How a matrix is packed that is stored in codes, without reading it; undefined for one that is not. @throws as `packed` */
  packedLayout(name: string, shape: readonly number[]): MatrixLayout | undefined {
    return this.quantised.isPacked(name) ? this.quantised.layout(name, shape) : undefined;
  }

  /**
   * Widens a tensor, or `rows` of its first axis, to float32.
   * @param rows half-open range along the first axis
   * @throws CheckpointError as `locate`; RangeError for rows that do not exist
   */
  read(name: string, rows?: { start: number; end: number }): Float32Array {
    const scales = this.quantised.scalesOf(name);
    const location = scales === undefined ? this.locate(name) : this.eightBits(name);
    const count = location.shape[0] ?? 0;
    const { start, end } = rows ?? { start: 0, end: count };
    if (start < 0 || end > count || start > end) {
      throw new RangeError(`${name} has ${count} rows, asked for ${start} to ${end}`);
    }
    const { file, offset, length, dtype } = location;
    const rowBytes = count === 0 ? 0 : length / count;
    const isWhole = rows === undefined;
    const bytes = isWhole
      ? readRange(file, offset, length)
      : readRange(file, offset + start * rowBytes, (end - start) * rowBytes);
    if (scales === undefined) return toFloat32(bytes, dtype as FloatType);
    const values = fromFloat8(bytes);
    const inputs = length / count;
    applyTileScales(values, inputs, start, readTileScales(scales, count, inputs, this.quantised.tile));
    return values;
  }

  /**
   * Checks that every tensor is there, of the right shape and of a supported type.
   * @throws CheckpointError `missing_tensor`, `tensor_shape`, `unsupported_dtype` or `unsupported_feature`, naming the first that is wrong
   */
  verify(specs: readonly TensorSpec[]): void {
    const missing = specs.filter((spec) => !this.has(spec.name));
    if (missing.length > 0) {
      const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
      const codes = this.names.find((name) => /\.(qweight|weight_packed)$/.test(name));
      const hint = codes === undefined ? '' : `; there is ${codes}, but config.json has no quantization_config of its kind`;
      throw new CheckpointError('missing_tensor', `${this.folder.dir}: no tensor for ${missing[0].name}${more}${hint}`);
    }
    const wanted = new Set(specs.map(({ name }) => name));
    for (const spec of specs) {
      if (this.quantised.isPacked(spec.name)) {
        this.quantised.layout(spec.name, spec.shape);
        this.verifyNoBias(spec.name, wanted);
        continue;
      }
      const location = this.quantised.scalesOf(spec.name) === undefined ? this.locate(spec.name) : this.eightBits(spec.name);
      if (location.shape.length !== spec.shape.length || location.shape.some((dim, i) => dim !== spec.shape[i])) {
        throw new CheckpointError(
          'tensor_shape',
          `${location.file}: ${location.storedName} is [${location.shape.join(', ')}], ` +
            `config.json asks for [${spec.shape.join(', ')}]`,
        );
      }
    }
  }

  /** Some quantisers write a bias of zeros for layers that have none. One that is not zeros must not be passed over. */
  private verifyNoBias(name: string, wanted: ReadonlySet<string>): void {
    const bias = name.replace(/weight$/, 'bias');
    if (wanted.has(bias) || !this.entries.has(bias)) return;
    if (this.read(bias).every((value) => value === 0)) return;
    const { file, storedName } = this.locate(bias);
    throw new CheckpointError('unsupported_feature', `${file}: ${storedName} is not zero, but the layer has no bias`);
  }

  /** An FP8 matrix that has scales. */
  private eightBits(name: string): NamedTensor {
    const [entry] = this.stored(name);
    if (entry.dtype === 'F8_E4M3' && entry.shape.length === 2) return entry;
    throw new CheckpointError(
      'unsupported_dtype',
      `${entry.file}: ${entry.storedName} has scales, and is ${entry.dtype} [${entry.shape.join(', ')}]; supported are matrices of F8_E4M3`,
    );
  }

  private missing(name: string): CheckpointError {
    return new CheckpointError('missing_tensor', `${this.folder.dir}: no tensor for ${name}`);
  }
}

/** Whether two tensors hold the same bytes. */
export function sameTensor(weights: Weights, first: string, second: string): boolean {
  const [a, ...partsOfA] = weights.stored(first);
  const [b, ...partsOfB] = weights.stored(second);
  if (partsOfA.length > 0 || partsOfB.length > 0) return false;
  if (a.length !== b.length || a.dtype !== b.dtype) return false;
  const step = 1 << 24;
  for (let at = 0; at < a.length; at += step) {
    const size = Math.min(step, a.length - at);
    if (Buffer.compare(readRange(a.file, a.offset + at, size), readRange(b.file, b.offset + at, size)) !== 0) return false;
  }
  return true;
}
