import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** What a file looked like when it was hashed. Any change of its content changes at least one of these. */
interface FileState {
  readonly size: number;
  readonly modified: string;
  readonly changed: string;
  readonly inode: string;
  readonly sha256: string;
}

/**
 * Hash of some files' names and contents. Hashing gigabytes takes seconds, so the hash of each file is remembered in `indexPath`
 * together with the state the file was in, and taken from there until that state changes.
 */
export async function fingerprint(files: readonly string[], indexPath: string): Promise<string> {
  const known = readIndex(indexPath);
  const total = createHash('sha256');
  let learned = false;
  for (const file of [...files].sort()) {
    const path = resolve(file);
    const stats = statSync(path, { bigint: true });
    const state = {
      size: Number(stats.size),
      modified: stats.mtimeNs.toString(),
      changed: stats.ctimeNs.toString(),
      inode: stats.ino.toString(),
    };
    const before = known[path] as FileState | undefined;
    let sha256 = before !== undefined && sameState(before, state) ? before.sha256 : undefined;
    if (sha256 === undefined) {
      sha256 = await hashFile(path);
      known[path] = { ...state, sha256 };
      learned = true;
    }
    total.update(`${basename(path)}\0${sha256}\n`);
  }
  if (learned) writeIndex(indexPath, known);
  return total.digest('hex');
}

function sameState(a: FileState, b: Omit<FileState, 'sha256'>): boolean {
  return a.size === b.size && a.modified === b.modified && a.changed === b.changed && a.inode === b.inode;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The index only saves time: an unreadable one counts as empty. */
function readIndex(path: string): Record<string, FileState> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, FileState>;
  } catch {
    return {};
  }
}

function writeIndex(path: string, index: Record<string, FileState>): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(index));
  renameSync(temporary, path);
}
