import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChatMessage } from '@madakv/models';

export const FIXTURES = fileURLToPath(new URL('./fixtures', import.meta.url));

interface ArrayEntry {
  file: string;
  dtype: 'float32' | 'int32' | 'uint8';
  shape: number[];
}

/** expected.json of a request; generate/README.md says what each key means. */
interface Expected {
  text: string;
  prompt_tokens: number;
  greedy: { tokens: number[]; margins: number[]; text: string };
  image_grids?: [frames: number, rows: number, cols: number][];
  arrays: Record<string, ArrayEntry>;
}

/** One request and the reference's answer on it. */
export interface RequestFixture {
  /** Checkpoint and request, for test titles. */
  name: string;
  /** The checkpoint's folder. */
  checkpoint: string;
  messages: ChatMessage[];
  /** The images' bytes in the order of their parts. */
  images: Uint8Array[];
  expected: Expected;
  float(name: string): Float32Array;
  int(name: string): Int32Array;
  has(name: string): boolean;
  shape(name: string): number[];
}

/** Names of all checkpoints. */
export function checkpointNames(): string[] {
  return readdirSync(FIXTURES).filter((name) => /^(qwen|llava)-/.test(name));
}

/** All requests of all checkpoints. */
export function requestFixtures(): RequestFixture[] {
  return checkpointNames().flatMap((checkpoint) =>
    readdirSync(join(FIXTURES, checkpoint))
      .filter((name) => name !== 'checkpoint' && statSync(join(FIXTURES, checkpoint, name)).isDirectory())
      .map((request) => readRequest(checkpoint, request)),
  );
}

function readRequest(checkpoint: string, request: string): RequestFixture {
  const folder = join(FIXTURES, checkpoint, request);
  const { messages } = readJson(join(folder, 'request.json')) as { messages: ChatMessage[] };
  const expected = readJson(join(folder, 'expected.json')) as Expected;
  const urls = messages.flatMap(({ content }) =>
    Array.isArray(content) ? content.flatMap((part) => (part.type === 'image_url' ? [part.image_url.url] : [])) : [],
  );
  const bytes = (name: string): ArrayBuffer => readBytes(join(folder, expected.arrays[name].file));
  return {
    name: `${checkpoint} ${request}`,
    checkpoint: join(FIXTURES, checkpoint, 'checkpoint'),
    messages,
    images: urls.map((url) => new Uint8Array(readBytes(join(folder, url)))),
    expected,
    float: (name) => new Float32Array(bytes(name)),
    int: (name) => new Int32Array(bytes(name)),
    has: (name) => name in expected.arrays,
    shape: (name) => expected.arrays[name].shape,
  };
}

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** A file's bytes in a buffer of their own, so that typed arrays may lie on it. */
export function readBytes(path: string): ArrayBuffer {
  const file = readFileSync(path);
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
}
