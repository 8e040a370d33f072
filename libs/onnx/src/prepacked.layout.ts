import { closeSync, openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ModelProto } from './schema.js';

interface SavedTensor {
  externalData: { key: string; value: string }[];
}

interface SavedModel {
  graph: { initializer: SavedTensor[] };
}

/** Prepacked matrices hold parts that kernels expect at addresses aligned to a cache line; a page suits memory maps too. */
const ALIGNMENT = 4096;

/**
 * Moves the prepacked matrices of a model that ONNX Runtime saved to aligned places of its external data file. The runtime
 * writes them one after the other, so that all but the first can lie at odd addresses when they are mapped, and a kernel that
 * aligns its parts by address (`MatMulNBits`) then reads the wrong bytes.
 * @param path the saved model; its external data file is rewritten beside it
 */
export function alignPrepacked(path: string): void {
  const model = ModelProto.decode(readFileSync(path)) as unknown as SavedModel;
  const location = model.graph.initializer.flatMap(({ externalData }) => valueOf(externalData, 'location') ?? []).at(0);
  if (location === undefined) return;
  const source = join(dirname(path), location);
  const target = `${source}.aligned`;
  const from = openSync(source, 'r');
  const to = openSync(target, 'w');
  try {
    const copy = copier(from, to);
    for (const { externalData } of model.graph.initializer) {
      const entry = new Map(externalData.map(({ key, value }) => [key, value]));
      if (!entry.has('location')) continue;
      for (const field of externalData) {
        if (field.key === 'offset') field.value = String(copy(Number(field.value), Number(entry.get('length'))));
        if (field.key.startsWith('prepacked_')) field.value = movePrepacked(field.value, copy);
      }
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
  renameSync(target, source);
  writeFileSync(path, ModelProto.encode(ModelProto.fromObject(model)).finish());
}

function valueOf(fields: readonly { key: string; value: string }[], key: string): string | undefined {
  return fields.find((field) => field.key === key)?.value;
}

/** An entry reads `key|offset;length;checksum|...`, one part a buffer. */
function movePrepacked(value: string, copy: (offset: number, length: number) => number): string {
  const [key, ...parts] = value.split('|');
  const moved = parts.map((part) => {
    const [offset, length, ...rest] = part.split(';');
    return [copy(Number(offset), Number(length)), length, ...rest].join(';');
  });
  return [key, ...moved].join('|');
}

/** Copies ranges to the next aligned place. */
function copier(from: number, to: number): (offset: number, length: number) => number {
  const buffer = new Uint8Array(1 << 22);
  let end = 0;
  return (offset, length) => {
    const start = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    for (let done = 0; done < length;) {
      const got = readSync(from, buffer, 0, Math.min(buffer.length, length - done), offset + done);
      if (got === 0) throw new Error(`external data end at byte ${offset + done}, ${offset + length} expected`);
      writeSync(to, buffer, 0, got, start + done);
      done += got;
    }
    end = start + length;
    return start;
  };
}
