import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChatMessage } from '@madakv/models';

export const FIXTURES = fileURLToPath(new URL('./fixtures', import.meta.url));
const READER_FIXTURES = fileURLToPath(new URL('./fixtures-reader', import.meta.url));
/** The reference model that comes with the project. */
export const READER = fileURLToPath(new URL('../../models/madakv-reader', import.meta.url));

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
  /** SHA-256 of the weights files, one after the other; of the shipped reader's requests only. */
  weights?: string;
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
  return readdirSync(FIXTURES).filter((name) => existsSync(join(FIXTURES, name, 'checkpoint')));
}

/** All requests of all checkpoints. */
export function requestFixtures(): RequestFixture[] {
  return checkpointNames().flatMap((checkpoint) => {
    const folder = join(FIXTURES, checkpoint);
    return requestFolders(folder).map((request) =>
      readRequest(join(folder, request), join(folder, 'checkpoint'), `${checkpoint} ${request}`),
    );
  });
}

/** Requests about the sample documents, on the shipped reader. */
export function readerFixtures(): RequestFixture[] {
  return requestFolders(READER_FIXTURES).map((request) => readRequest(join(READER_FIXTURES, request), READER, request));
}

function requestFolders(folder: string): string[] {
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'request.json')));
}

function readRequest(folder: string, checkpoint: string, name: string): RequestFixture {
  const { messages } = readJson(join(folder, 'request.json')) as { messages: ChatMessage[] };
  const expected = readJson(join(folder, 'expected.json')) as Expected;
  const urls = messages.flatMap(({ content }) =>
    Array.isArray(content) ? content.flatMap((part) => (part.type === 'image_url' ? [part.image_url.url] : [])) : [],
  );
  const bytes = (array: string): ArrayBuffer => readBytes(join(folder, expected.arrays[array].file));
  return {
    name,
    checkpoint,
    messages,
    images: urls.map((url) => new Uint8Array(readBytes(join(folder, url)))),
    expected,
    float: (array) => new Float32Array(bytes(array)),
    int: (array) => new Int32Array(bytes(array)),
    has: (array) => array in expected.arrays,
    shape: (array) => expected.arrays[array].shape,
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
