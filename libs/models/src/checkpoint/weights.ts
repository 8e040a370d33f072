import { closeSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import type { TensorSpec } from '../family.js';
import { CheckpointError } from './checkpoint.error.js';
import type { CheckpointFolder } from './checkpoint.folder.js';
import { floatBytes, toFloat32, type FloatType } from './float.conversion.js';
import { readSafetensorsHeader, type StoredTensor } from './safetensors.file.js';

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

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** The weights of a checkpoint by normalised name. Holds no data: every read goes to the file. */
export class Weights {
  private constructor(
    private readonly folder: CheckpointFolder,
    private readonly entries: ReadonlyMap<string, StoredTensor & { storedName: string }>,
  ) {}

  /**
   * Reads all headers.
   * @param normalise normalised name of a stored tensor, or undefined for one that is not used
   * @throws CheckpointError `missing_file`, `truncated_safetensors`, `bad_safetensors`, `missing_tensor` (the index
   * names a tensor its file does not have)
   */
  static open(folder: CheckpointFolder, normalise: (name: string) => string | undefined): Weights {
    const stored = storedTensors(folder);
    const entries = new Map<string, StoredTensor & { storedName: string }>();
    for (const [storedName, tensor] of stored) {
      const name = normalise(storedName);
      if (name !== undefined) entries.set(name, { ...tensor, storedName });
    }
    return new Weights(folder, entries);
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }

  /** All weight files, for hashing and mapping. */
  get files(): string[] {
    return [...new Set([...this.entries.values()].map((entry) => entry.file))].sort();
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /** @throws CheckpointError `missing_tensor`, `unsupported_dtype` */
  locate(name: string): WeightLocation {
    const entry = this.entries.get(name);
    if (entry === undefined) {
      throw new CheckpointError('missing_tensor', `${this.folder.dir}: no tensor for ${name}`);
    }
    if (!isFloatType(entry.dtype)) {
      throw new CheckpointError(
        'unsupported_dtype',
        `${entry.file}: ${entry.storedName} is ${entry.dtype}; supported are ${Object.keys(floatBytes).join(', ')}`,
      );
    }
    return { ...entry, name, dtype: entry.dtype };
  }

  /**
   * Widens a tensor, or `rows` of its first axis, to float32.
   * @param rows half-open range along the first axis
   * @throws CheckpointError as `locate`; RangeError for rows that do not exist
   */
  read(name: string, rows?: { start: number; end: number }): Float32Array {
    const location = this.locate(name);
    if (rows === undefined) return toFloat32(readRange(location.file, location.offset, location.length), location.dtype);
    const count = location.shape[0] ?? 0;
    if (rows.start < 0 || rows.end > count || rows.start > rows.end) {
      throw new RangeError(`${name} has ${count} rows, asked for ${rows.start} to ${rows.end}`);
    }
    const rowBytes = count === 0 ? 0 : location.length / count;
    const start = location.offset + rows.start * rowBytes;
    return toFloat32(readRange(location.file, start, (rows.end - rows.start) * rowBytes), location.dtype);
  }

  /**
   * Checks that every tensor is there, of the right shape and of a supported type.
   * @throws CheckpointError `missing_tensor`, `tensor_shape` or `unsupported_dtype`, naming the first that is wrong
   */
  verify(specs: readonly TensorSpec[]): void {
    const missing = specs.filter((spec) => !this.has(spec.name));
    if (missing.length > 0) {
      const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
      throw new CheckpointError('missing_tensor', `${this.folder.dir}: no tensor for ${missing[0].name}${more}`);
    }
    for (const spec of specs) {
      const location = this.locate(spec.name);
      if (location.shape.length !== spec.shape.length || location.shape.some((dim, i) => dim !== spec.shape[i])) {
        throw new CheckpointError(
          'tensor_shape',
          `${location.file}: ${location.storedName} is [${location.shape.join(', ')}], ` +
            `config.json asks for [${spec.shape.join(', ')}]`,
        );
      }
    }
  }
}

function isFloatType(dtype: string): dtype is FloatType {
  return dtype in floatBytes;
}

function storedTensors(folder: CheckpointFolder): Map<string, StoredTensor> {
  if (folder.has(SINGLE)) return readSafetensorsHeader(folder.path(SINGLE));
  if (!folder.has(INDEX)) {
    throw new CheckpointError('missing_file', `${folder.dir}: neither ${SINGLE} nor ${INDEX}`);
  }
  const index = folder.parse(indexSchema, folder.json(INDEX), INDEX);
  const headers = new Map<string, Map<string, StoredTensor>>();
  for (const file of new Set(Object.values(index.weight_map))) {
    if (!folder.has(file)) {
      throw new CheckpointError('missing_file', `${folder.path(file)}: no such file, but ${INDEX} names it`);
    }
    headers.set(file, readSafetensorsHeader(folder.path(file)));
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, file] of Object.entries(index.weight_map)) {
    const tensor = headers.get(file)?.get(name);
    if (tensor === undefined) {
      throw new CheckpointError('missing_tensor', `${folder.path(file)}: no tensor ${name}, but ${INDEX} names it there`);
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

function readRange(file: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const fd = openSync(file, 'r');
  try {
    for (let done = 0; done < length; ) {
      const got = readSync(fd, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (got === 0) throw new CheckpointError('truncated_safetensors', `${file}: ends at byte ${offset + done}`);
      done += got;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** Whether two tensors hold the same bytes. */
export function sameTensor(weights: Weights, first: string, second: string): boolean {
  const a = weights.locate(first);
  const b = weights.locate(second);
  if (a.length !== b.length || a.dtype !== b.dtype) return false;
  const step = 1 << 24;
  for (let at = 0; at < a.length; at += step) {
    const size = Math.min(step, a.length - at);
    if (Buffer.compare(readRange(a.file, a.offset + at, size), readRange(b.file, b.offset + at, size)) !== 0) return false;
  }
  return true;
}
