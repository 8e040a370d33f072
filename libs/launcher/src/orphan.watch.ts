import { spawn, type ChildProcess } from 'node:child_process';
import type { GuardMessage } from './guard.messages.js';
import { ORPHAN_GUARD_PATH } from './installation.js';
import type { EndingProcess } from './orderly.end.js';

/** Keeps an orphan guard (orphan.guard.ts) told of this process's children. */
export class OrphanWatch {
  private readonly guard: ChildProcess;

  constructor() {
    // Apart from this process's group, so that what kills the group leaves the guard.
    this.guard = spawn(process.execPath, [ORPHAN_GUARD_PATH], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    // A guard that died cannot be told; the next start finds orphans by the record in the data folder.
    this.guard.stdin?.on('error', () => undefined);
    this.guard.on('error', () => undefined);
    this.guard.unref();
  }

  started(process: EndingProcess): void {
    this.tell({ kind: 'started', process });
  }

  ended(pid: number): void {
    this.tell({ kind: 'ended', pid });
  }

  /** Lets the guard go; it ends by itself as nothing is left to end. */
  close(): void {
    this.guard.stdin?.end();
  }

  private tell(message: GuardMessage): void {
    this.guard.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}
