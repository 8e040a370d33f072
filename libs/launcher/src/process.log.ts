import { createWriteStream, openSync, renameSync, type WriteStream } from 'node:fs';

/** Bytes of a log; then it begins anew, and the one before stays beside it. */
const MOST_BYTES = 64 * 1024 ** 2;

/** The log of a process, and beside it the one before. One that cannot be written is given up: what it tells of goes on. */
export class ProcessLog {
  /** Undefined once it is given up. */
  private stream: WriteStream | undefined;
  private bytes = 0;

  /** @param onLost told once, with the reason */
  constructor(
    readonly path: string,
    private readonly onLost: (reason: string) => void,
    private readonly mostBytes = MOST_BYTES,
  ) {
    this.begin();
  }

  write(line: string): void {
    const text = Buffer.from(`${line}\n`);
    if (this.bytes > 0 && this.bytes + text.length > this.mostBytes) {
      const full = this.stream;
      this.stream = undefined;
      full?.end();
      this.begin();
    }
    this.bytes += text.length;
    this.stream?.write(text);
  }

  /** Resolves when all of it is written that can be. */
  async end(): Promise<void> {
    const { stream } = this;
    if (stream === undefined || stream.closed) return;
    await new Promise<void>((resolve) => {
      stream.once('close', resolve);
      stream.end();
    });
  }

  private begin(): void {
    this.bytes = 0;
    try {
      keepOneOlder(this.path);
      // Open from now on: it may be renamed while it is written.
      const stream = createWriteStream(this.path, { fd: openSync(this.path, 'w', 0o600) });
      stream.on('error', (error) => {
        if (this.stream === stream) this.lose(error);
      });
      this.stream = stream;
    } catch (error) {
      this.lose(error as Error);
    }
  }

  private lose({ message }: Error): void {
    this.stream?.destroy();
    this.stream = undefined;
    this.bytes = -Infinity;
    this.onLost(message);
  }
}

function keepOneOlder(path: string): void {
  try {
    renameSync(path, `${path}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
