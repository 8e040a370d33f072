import { CheckpointError } from '../checkpoint.error.js';
import { floatBytes, isFloatType, toFloat32 } from '../float.conversion.js';
import type { StoredTensor } from '../safetensors.file.js';
import { readRange } from '../stored.tensors.js';

/** A tensor with the name that its file gives it. */
export interface NamedTensor extends StoredTensor {
  readonly storedName: string;
}

/** The tensors that make up one quantised matrix, by the last part of their names, such as `qweight`. */
export type MatrixParts = ReadonlyMap<string, NamedTensor>;

const WORDS = ['I32', 'U32'];

/** Reads the parts of one matrix from their files, whole; each read checks type and shape first. */
export class PartReader {
  constructor(private readonly parts: MatrixParts) {}

  has(part: string): boolean {
    return this.parts.has(part);
  }

  /** @throws CheckpointError `missing_tensor` */
  find(part: string): NamedTensor {
    const found = this.parts.get(part);
    if (found !== undefined) return found;
    const [first] = this.parts.values();
    throw new CheckpointError('missing_tensor', `${first.file}: ${first.storedName} has no ${part} beside it`);
  }

  /**
   * Checks what the header says of parts, and reads nothing.
   * @throws CheckpointError `missing_tensor`, `unsupported_dtype`, `tensor_shape`
   */
  check(kind: 'words' | 'floats', shapes: Readonly<Record<string, readonly number[]>>): void {
    const types = kind === 'words' ? WORDS : Object.keys(floatBytes);
    for (const [part, shape] of Object.entries(shapes)) this.checked(part, shape, types);
  }

  /** Words of packed codes. @throws as `check` */
  words(part: string, shape: readonly number[]): Uint32Array {
    return new Uint32Array(this.bytes(part, shape, WORDS).buffer);
  }

  /** @throws as `check` */
  ints(part: string, shape: readonly number[]): Int32Array {
    return new Int32Array(this.bytes(part, shape, ['I32']).buffer);
  }

  /** @throws as `check` */
  floats(part: string, shape: readonly number[]): Float32Array {
    const bytes = this.bytes(part, shape, Object.keys(floatBytes));
    const { dtype } = this.find(part);
    return isFloatType(dtype) ? toFloat32(bytes, dtype) : new Float32Array(0);
  }

  private bytes(part: string, shape: readonly number[], types: readonly string[]): Uint8Array<ArrayBuffer> {
    const { file, offset, length } = this.checked(part, shape, types);
    return readRange(file, offset, length);
  }

  private checked(part: string, shape: readonly number[], types: readonly string[]): NamedTensor {
    const found = this.find(part);
    const { file, storedName, dtype, shape: stored } = found;
    if (!types.includes(dtype)) {
      throw new CheckpointError('unsupported_dtype', `${file}: ${storedName} is ${dtype}; supported: ${types.join(', ')}`);
    }
    if (stored.length !== shape.length || stored.some((dim, i) => dim !== shape[i])) {
      throw new CheckpointError(
        'tensor_shape',
        `${file}: ${storedName} is [${stored.join(', ')}], the matrix takes [${shape.join(', ')}]`,
      );
    }
    return found;
  }
}
