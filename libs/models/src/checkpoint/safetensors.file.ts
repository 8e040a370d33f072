import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { CheckpointError } from './checkpoint.error.js';

/** A tensor as the file describes it. `offset` and `length` are bytes from the start of the file. */
export interface StoredTensor {
  file: string;
  dtype: string;
  shape: number[];
  offset: number;
  length: number;
}

const valueBytes: Record<string, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

const count = z.int().min(0);
const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(count),
  data_offsets: z.tuple([count, count]),
});

const LENGTH_BYTES = 8;
/** The format's own limit; a larger number is a damaged or foreign file. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Reads the header of a safetensors file: an eight-byte little-endian length, a JSON object, then the data.
 * @see https://github.com/huggingface/safetensors#format
 * @throws CheckpointError `truncated_safetensors` when header or data reach beyond the end of the file,
 * `bad_safetensors` when the header is not what the format says
 */
export function readSafetensorsHeader(file: string): Map<string, StoredTensor> {
  const fd = openSync(file, 'r');
  try {
    const size = fstatSync(fd).size;
    const headerBytes = headerLength(fd, file, size);
    const dataStart = LENGTH_BYTES + headerBytes;
    const header = parseHeader(read(fd, LENGTH_BYTES, headerBytes).toString('utf8'), file);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, value] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      tensors.set(name, storedTensor(file, name, value, dataStart, size));
    }
    return tensors;
  } finally {
    closeSync(fd);
  }
}

function headerLength(fd: number, file: string, size: number): number {
  if (size < LENGTH_BYTES) {
    throw new CheckpointError('truncated_safetensors', `${file}: ${size} bytes, too short to hold a header`);
  }
  const length = read(fd, 0, LENGTH_BYTES).readBigUInt64LE();
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new CheckpointError('bad_safetensors', `${file}: header of ${length.toString()} bytes, not a safetensors file`);
  }
  if (LENGTH_BYTES + Number(length) > size) {
    throw new CheckpointError(
      'truncated_safetensors',
      `${file}: header of ${length.toString()} bytes, but the file has only ${size}`,
    );
  }
  return Number(length);
}

function parseHeader(text: string, file: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    throw new CheckpointError('bad_safetensors', `${file}: the header is not a JSON object`, { cause });
  }
}

function storedTensor(file: string, name: string, value: unknown, dataStart: number, size: number): StoredTensor {
  const parsed = tensorSchema.safeParse(value);
  if (!parsed.success) {
    throw new CheckpointError('bad_safetensors', `${file}: bad entry for ${name}: ${parsed.error.issues[0].message}`);
  }
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  const length = offsets[1] - offsets[0];
  if (dataStart + offsets[1] > size) {
    throw new CheckpointError(
      'truncated_safetensors',
      `${file}: ${name} ends at byte ${dataStart + offsets[1]}, but the file has only ${size}`,
    );
  }
  const values = shape.reduce((product, dim) => product * dim, 1);
  if (dtype in valueBytes && length !== values * valueBytes[dtype]) {
    throw new CheckpointError(
      'bad_safetensors',
      `${file}: ${name} is ${dtype} [${shape.join(', ')}] but holds ${length} bytes`,
    );
  }
  return { file, dtype, shape, offset: dataStart + offsets[0], length };
}

function read(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const got = readSync(fd, bytes, done, length - done, offset + done);
    if (got === 0) throw new CheckpointError('truncated_safetensors', `file ends ${length - done} bytes early`);
    done += got;
  }
  return bytes;
}
