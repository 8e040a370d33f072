import { closeSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { CheckpointError } from './checkpoint.error.js';
import type { CheckpointFolder } from './checkpoint.folder.js';
import { readSafetensorsHeader, type StoredTensor } from './safetensors.file.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * The tensors of a folder by the names that its files give them. Only headers are read.
 * @throws CheckpointError `missing_file`, `truncated_safetensors`, `bad_safetensors`, `missing_tensor` (the index names a tensor
 * that its file does not have)
 */
export function storedTensors(folder: CheckpointFolder): Map<string, StoredTensor> {
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

/** Bytes of a file, in a buffer of their own. @throws CheckpointError `truncated_safetensors` where it has become shorter */
export function readRange(file: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
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
