import { CheckpointError } from '../checkpoint.error.js';
import type { StoredTensor } from '../safetensors.file.js';
import { AWQ_PARTS, awqLayout, readAwq } from './awq.matrix.js';
import { COMPRESSED_PARTS, compressedLayout, readCompressed } from './compressed.matrix.js';
import { FP8_PARTS } from './fp8.tensor.js';
import { GPTQ_PARTS, gptqLayout, readGptq } from './gptq.matrix.js';
import type { MatrixLayout, PackedMatrix } from './packed.matrix.js';
import { PartReader, type NamedTensor } from './part.reader.js';
import type { Quantisation } from './quantisation.js';

/** What is stored of a matrix instead of its `weight`, or for FP8 beside it, by how the checkpoint is quantised. */
const partsOf: Readonly<Record<Quantisation['kind'], readonly string[]>> = {
  none: [],
  gptq: GPTQ_PARTS,
  awq: AWQ_PARTS,
  compressed: COMPRESSED_PARTS,
  fp8: FP8_PARTS,
};

const labels: Readonly<Record<Quantisation['kind'], string | undefined>> = {
  none: undefined,
  gptq: 'gptq',
  awq: 'awq',
  compressed: 'compressed-tensors',
  fp8: undefined,
};

/** The quantised matrices of a checkpoint, by the normalised name that each had before. Holds no data. */
export class QuantisedTensors {
  private readonly matrices = new Map<string, Map<string, NamedTensor>>();

  constructor(private readonly quantisation: Quantisation) {}

  /**
   * Takes a stored tensor if it is part of a quantised matrix.
   * @param normalise of the name that the matrix had before it was quantised
   */
  add(storedName: string, tensor: StoredTensor, normalise: (name: string) => string | undefined): boolean {
    const dot = storedName.lastIndexOf('.');
    const part = storedName.slice(dot + 1);
    if (!partsOf[this.quantisation.kind].includes(part)) return false;
    const name = normalise(`${storedName.slice(0, dot)}.weight`);
    if (name === undefined) return true;
    const parts = this.matrices.get(name) ?? new Map<string, NamedTensor>();
    this.matrices.set(name, parts.set(part, { ...tensor, storedName }));
    return true;
  }

  get tensors(): NamedTensor[] {
    return [...this.matrices.values()].flatMap((parts) => [...parts.values()]);
  }

  /** Names of the matrices that are codes of `MatMulNBits`. */
  get packedNames(): string[] {
    return this.quantisation.kind === 'fp8' ? [] : [...this.matrices.keys()];
  }

  get packing(): string | undefined {
    return this.packedNames.length === 0 ? undefined : labels[this.quantisation.kind];
  }

  /** Outputs and inputs of a tile that shares a scale. */
  get tile(): readonly [number, number] | undefined {
    return this.quantisation.kind === 'fp8' ? this.quantisation.tile : undefined;
  }

  isPacked(name: string): boolean {
    return this.quantisation.kind !== 'fp8' && this.matrices.has(name);
  }

  partsOf(name: string): NamedTensor[] {
    return [...(this.matrices.get(name)?.values() ?? [])];
  }

  /** The scales of an FP8 matrix, if it has any. */
  scalesOf(name: string): PartReader | undefined {
    const parts = this.quantisation.kind === 'fp8' ? this.matrices.get(name) : undefined;
    return parts && new PartReader(parts);
  }

  /** @param shape `[outputs, inputs]`. @throws CheckpointError */
  read(name: string, shape: readonly number[]): PackedMatrix {
    const [parts, outputs, inputs] = this.matrix(name, shape);
    const { quantisation } = this;
    switch (quantisation.kind) {
      case 'gptq':
        return readGptq(parts, outputs, inputs, quantisation);
      case 'awq':
        return readAwq(parts, outputs, inputs, quantisation.groupSize);
      case 'compressed':
        return readCompressed(parts, outputs, inputs, quantisation);
      case 'none':
      case 'fp8':
        throw new RangeError(`${name} is not stored in codes`);
    }
  }

  /** Checks all parts of a matrix by their headers. @throws CheckpointError */
  layout(name: string, shape: readonly number[]): MatrixLayout {
    const [parts, outputs, inputs] = this.matrix(name, shape);
    const { quantisation } = this;
    switch (quantisation.kind) {
      case 'gptq':
        return gptqLayout(parts, outputs, inputs, quantisation);
      case 'awq':
        return awqLayout(parts, outputs, inputs, quantisation.groupSize);
      case 'compressed':
        return compressedLayout(parts, outputs, inputs, quantisation);
      case 'none':
      case 'fp8':
        throw new RangeError(`${name} is not stored in codes`);
    }
  }

  private matrix(name: string, shape: readonly number[]): [parts: PartReader, outputs: number, inputs: number] {
    const parts = this.matrices.get(name) ?? new Map<string, NamedTensor>();
    if (shape.length === 2) return [new PartReader(parts), shape[0], shape[1]];
    const [first] = parts.values();
    throw new CheckpointError(
      'tensor_shape',
      `${first.file}: ${first.storedName} is of a matrix, config.json asks for [${shape.join(', ')}]`,
    );
  }
}
