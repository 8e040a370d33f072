import { DocumentError } from '../document.error.js';
import { RasterProcess } from './raster.process.js';

interface Waiter {
  /** @returns whether it still waited; otherwise the process is nobody's */
  resolve: (process: RasterProcess) => boolean;
  reject: (reason: unknown) => void;
}

/**
 * At most `size` rasterising processes, started when first needed and used again; each serves one document at a time. One that
 * still holds more than `keepBytes` after a document is ended, so that no document's memory outlives it for long.
 */
export class RasterPool {
  private readonly idle: RasterProcess[] = [];
  private readonly busy = new Set<RasterProcess>();
  private readonly waiters: Waiter[] = [];
  private starting = 0;
  private closed = false;

  constructor(
    private readonly size: number,
    private readonly keepBytes: number,
  ) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`a pool of ${size} processes`);
  }

  /** What idle and busy processes held after their last documents, in bytes. */
  get residentBytes(): number {
    return [...this.idle, ...this.busy].reduce((sum, { residentBytes }) => sum + residentBytes, 0);
  }

  /** First come, first served. The process is the caller's until {@link release}. */
  async acquire(signal?: AbortSignal): Promise<RasterProcess> {
    signal?.throwIfAborted();
    if (this.closed) throw closedError();
    const free = this.takeIdle();
    if (free !== undefined) return free;
    if (this.busy.size + this.starting < this.size) return this.start();
    return this.wait(signal);
  }

  release(process: RasterProcess): void {
    this.busy.delete(process);
    if (this.closed || process.residentBytes > this.keepBytes) process.kill();
    if (process.alive) this.idle.push(process);
    this.serve();
  }

  /** Ends all processes; documents under way fail. */
  close(): void {
    this.closed = true;
    for (const process of [...this.idle, ...this.busy]) process.kill();
    this.idle.length = 0;
    for (const waiter of this.waiters.splice(0)) waiter.reject(closedError());
  }

  private takeIdle(): RasterProcess | undefined {
    let process = this.idle.pop();
    // One may have died while nobody looked.
    while (process !== undefined && !process.alive) process = this.idle.pop();
    if (process !== undefined) this.busy.add(process);
    return process;
  }

  private async start(): Promise<RasterProcess> {
    this.starting++;
    try {
      const process = await RasterProcess.start();
      if (this.closed) {
        process.kill();
        throw closedError();
      }
      this.busy.add(process);
      return process;
    } finally {
      this.starting--;
      // A start that failed leaves its place to whoever waits.
      this.serve();
    }
  }

  /** Gives waiters what is idle or may be started. */
  private serve(): void {
    while (this.waiters.length > 0 && !this.closed) {
      const free = this.takeIdle();
      if (free === undefined && this.busy.size + this.starting >= this.size) return;
      const waiter = this.waiters.shift();
      if (waiter === undefined) return;
      if (free === undefined) void this.startFor(waiter);
      else if (!waiter.resolve(free)) this.release(free);
    }
  }

  private async startFor(waiter: Waiter): Promise<void> {
    try {
      const process = await this.start();
      // Who waited may have gone meanwhile.
      if (!waiter.resolve(process)) this.release(process);
    } catch (error) {
      waiter.reject(error);
    }
  }

  private wait(signal: AbortSignal | undefined): Promise<RasterProcess> {
    return new Promise((resolve, reject) => {
      let waits = true;
      const settled = (): boolean => {
        signal?.removeEventListener('abort', aborted);
        const waited = waits;
        waits = false;
        return waited;
      };
      const waiter: Waiter = {
        resolve(process) {
          resolve(process);
          return settled();
        },
        reject(reason) {
          settled();
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- handed on as it came
          reject(reason);
        },
      };
      const aborted = (): void => {
        // One whose process starts is no more among them.
        const at = this.waiters.indexOf(waiter);
        if (at >= 0) this.waiters.splice(at, 1);
        waiter.reject(signal?.reason);
      };
      signal?.addEventListener('abort', aborted, { once: true });
      this.waiters.push(waiter);
    });
  }
}

function closedError(): DocumentError {
  return new DocumentError('raster_crashed', 'the rasteriser is closed', { retryable: true });
}
