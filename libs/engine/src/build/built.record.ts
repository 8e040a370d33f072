import { createHash } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const RECORD = 'used.json';
export const MANIFEST = 'manifest.json';
/** A folder that is being built, or was when its process died. */
const BEGUN = /^\.[0-9a-f]{32}\.[0-9a-f-]{36}$/;
const KEY = /^[0-9a-f]{32}$/;
/** A build that nothing was written to for this long has died, in milliseconds. */
const DEAD_MS = 24 * 3_600_000;

const recordSchema = z.object({
  family: z.string(),
  precision: z.string(),
  provider: z.string(),
  /** Kind of machine: what the provider says of itself, hashed. */
  machine: z.string(),
  /** Folders of checkpoints that it was opened from; their content was the same. */
  checkpoints: z.array(z.string()),
});

/** What is remembered of a built model beside its graphs. Its own age says when the model was last opened. */
export type BuiltRecord = z.infer<typeof recordSchema>;

/** A model's graphs in the folder of built models. */
export interface BuiltEntry {
  readonly key: string;
  readonly dir: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly lastUsedMs: number;
  /** Absent where it was built before records were kept, and not opened since. */
  readonly record?: BuiltRecord;
  /**
   * It cannot be opened any more: all checkpoints that it was opened from are gone or, as a later build of them shows, changed.
   */
  readonly isUnused: boolean;
}

/** What a built model was opened as. */
export interface BuiltUse extends Omit<BuiltRecord, 'checkpoints' | 'machine'> {
  readonly signature: string;
  /** Checkpoint folder; absent for random weights. */
  readonly checkpoint?: string;
}

/** Remembers that a model was opened. A folder that cannot be written to keeps no records. */
export function recordUse(dir: string, { checkpoint, signature, ...use }: BuiltUse): void {
  const path = join(dir, RECORD);
  const before = readRecord(dir);
  const checkpoints = new Set(before?.checkpoints);
  if (checkpoint !== undefined) checkpoints.add(realpathSync(resolve(checkpoint)));
  const machine = createHash('sha256').update(signature).digest('hex').slice(0, 16);
  const record: BuiltRecord = { ...use, machine, checkpoints: [...checkpoints].sort() };
  try {
    if (JSON.stringify(before) === JSON.stringify(record)) {
      utimesSync(path, new Date(), new Date());
    } else {
      const draft = `${path}.${process.pid}`;
      writeFileSync(draft, JSON.stringify(record));
      renameSync(draft, path);
    }
  } catch {
    // Nothing depends on it but the list.
  }
}

/** All built models under `root`, the latest used first. */
export function builtEntries(root: string): BuiltEntry[] {
  if (!existsSync(root)) return [];
  const entries = readdirSync(root)
    .filter((name) => KEY.test(name) && existsSync(join(root, name, MANIFEST)))
    .map((key) => entryOf(key, join(root, key)))
    .sort((a, b) => b.lastUsedMs - a.lastUsedMs || a.key.localeCompare(b.key));
  return entries.map((entry) => ({ ...entry, isUnused: isUnused(entry, entries) }));
}

/** Folders of builds whose process died, with their bytes. */
export function brokenBuilds(root: string, now = Date.now()): { readonly dir: string; readonly bytes: number }[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => BEGUN.test(name))
    .map((name) => join(root, name))
    .filter((dir) => now - Math.max(...modifiedMs(dir)) > DEAD_MS)
    .map((dir) => ({ dir, bytes: bytesOf(dir) }));
}

/** Removes folders that `builtEntries` or `brokenBuilds` named. The manifest goes first: what is left of a folder is no built model. */
export function removeBuilt(dirs: readonly string[]): void {
  for (const dir of dirs) {
    rmSync(join(dir, MANIFEST), { force: true });
    rmSync(dir, { recursive: true, force: true });
  }
}

type Listed = Omit<BuiltEntry, 'isUnused'>;

function entryOf(key: string, dir: string): Listed {
  const record = readRecord(dir);
  const used = statSync(join(dir, record === undefined ? MANIFEST : RECORD)).mtimeMs;
  return { key, dir, bytes: bytesOf(dir), lastUsedMs: used, ...(record === undefined ? {} : { record }) };
}

function isUnused({ record, lastUsedMs }: Listed, all: readonly Listed[]): boolean {
  if (record === undefined || record.checkpoints.length === 0) return false;
  return record.checkpoints.every((dir) => {
    if (!existsSync(join(dir, 'config.json'))) return true;
    // One machine opens one checkpoint in one precision as one built model: a later one is of another content.
    return all.some(
      (other) =>
        other.lastUsedMs > lastUsedMs &&
        other.record?.machine === record.machine &&
        other.record.precision === record.precision &&
        other.record.checkpoints.includes(dir),
    );
  });
}

function readRecord(dir: string): BuiltRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(join(dir, RECORD), 'utf8')));
  } catch {
    return undefined;
  }
}

function bytesOf(dir: string): number {
  return readdirSync(dir).reduce(
    (sum, file) => sum + (statSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function modifiedMs(dir: string): number[] {
  const paths = [dir, ...readdirSync(dir).map((file) => join(dir, file))];
  return paths.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
}
