import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { brokenBuilds, builtEntries, recordUse, removeBuilt, type BuiltUse } from './built.record.js';

const key = (letter: string): string => letter.repeat(32);
const USE = { family: 'llava', precision: '4 bit (blocks of 64)', provider: 'cpu', signature: 'cpu/avx2' };

let work: string;
let root: string;
beforeEach(() => {
  work = realpathSync(mkdtempSync(join(tmpdir(), 'madakv-built-')));
  root = join(work, 'models');
  for (const letter of ['a', 'b']) built(letter);
});
afterEach(() => {
  rmSync(work, { recursive: true });
});

function built(letter: string): string {
  const dir = join(root, key(letter));
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'stage.onnx'), 'graph');
  writeFileSync(join(dir, 'manifest.json'), '{}');
  return dir;
}

function checkpoint(name: string): string {
  const dir = join(work, name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'config.json'), '{}');
  return dir;
}

/** Opens a built model at a time, in seconds since 1970. */
function use(letter: string, at: number, changes: Partial<BuiltUse> = {}): void {
  const dir = join(root, key(letter));
  recordUse(dir, { ...USE, ...changes });
  utimesSync(join(dir, 'used.json'), at, at);
}

const unused = (): string[] =>
  builtEntries(root)
    .filter(({ isUnused }) => isUnused)
    .map((entry) => entry.key);

it('remembers what a built model was opened from, and when', () => {
  const [first, second] = [checkpoint('first'), checkpoint('second')];
  use('a', 1_000, { checkpoint: second });
  use('a', 2_000, { checkpoint: first });
  const [entry, other] = builtEntries(root).sort((a, b) => a.key.localeCompare(b.key));
  expect(entry).toMatchObject({ key: key('a'), lastUsedMs: 2_000_000, isUnused: false });
  expect(entry.record).toMatchObject({
    family: 'llava',
    precision: USE.precision,
    provider: 'cpu',
    checkpoints: [first, second],
  });
  expect(entry.bytes).toBeGreaterThan('graph'.length + '{}'.length);
  expect(other).toMatchObject({ key: key('b'), isUnused: false });
  expect(other.record).toBeUndefined();
});

it('is unused once all its checkpoints are gone', () => {
  const [first, second] = [checkpoint('first'), checkpoint('second')];
  use('a', 1_000, { checkpoint: first });
  use('a', 1_000, { checkpoint: second });
  rmSync(first, { recursive: true });
  expect(unused()).toEqual([]);
  rmSync(second, { recursive: true });
  expect(unused()).toEqual([key('a')]);
});

it('is unused once its checkpoint was built anew, but not for another precision or kind of machine', () => {
  const dir = checkpoint('first');
  use('a', 1_000, { checkpoint: dir });
  use('b', 2_000, { checkpoint: dir, precision: 'fp32' });
  expect(unused()).toEqual([]);
  use('b', 2_000, { checkpoint: dir, signature: 'cpu/avx512' });
  expect(unused()).toEqual([]);
  use('b', 2_000, { checkpoint: dir });
  expect(unused()).toEqual([key('a')]);
});

it('is random where it has no checkpoint, and stays', () => {
  use('a', 1_000);
  expect(unused()).toEqual([]);
});

it('removes what it listed, and lists nothing that is no build', () => {
  const begun = `.${key('c')}.01234567-89ab-cdef-0123-456789abcdef`;
  for (const name of ['notes', key('d'), begun]) mkdirSync(join(root, name));
  writeFileSync(join(root, begun, 'stage.onnx'), 'half');
  writeFileSync(join(root, 'files.json'), '{}');
  expect(
    builtEntries(root)
      .map((entry) => entry.key)
      .sort(),
  ).toEqual([key('a'), key('b')]);
  expect(brokenBuilds(root)).toEqual([]);
  const broken = brokenBuilds(root, Date.now() + 48 * 3_600_000);
  expect(broken).toEqual([{ dir: join(root, begun), bytes: 4 }]);
  removeBuilt([...builtEntries(root), ...broken].map(({ dir }) => dir));
  expect(readdirSync(root).sort()).toEqual([key('d'), 'files.json', 'notes']);
  expect(existsSync(join(root, begun))).toBe(false);
  expect(builtEntries(join(work, 'none'))).toEqual([]);
});
