import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A tensor to write: its values, or as many bytes of nothing as it would take, which take no room on most disks. */
export interface TensorToWrite {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array | { readonly byteLength: number };
}

/** Writes a safetensors file. Tensors without values come behind those with. */
export function writeSafetensors(path: string, tensors: Readonly<Record<string, TensorToWrite>>): void {
  const entries = Object.entries(tensors);
  const ordered = [...entries.filter(([, { data }]) => 'buffer' in data), ...entries.filter(([, { data }]) => !('buffer' in data))];
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const written: Buffer[] = [];
  let at = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.byteLength] };
    if ('buffer' in data) written.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    at += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat([size, text, ...written]));
  truncateSync(path, size.length + text.length + at);
}
