import { fork, type ChildProcess } from 'node:child_process';
import { DocumentError } from '../document.error.js';
import { formatCount } from '../quantity.format.js';
import { rasterEntry } from './raster.entry.js';
import type { FailedReply, RasterReply, RasterRequest } from './raster.protocol.js';

/** Time for the process to come up, in milliseconds. */
const START_TIMEOUT_MS = 30_000;
/**
 * For glibc's allocator; others ignore it. Two arenas serve all threads, and bitmaps go back to the system as they are freed: without,
 * each thread that ever held one keeps its peak.
 */
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '4194304', MALLOC_TRIM_THRESHOLD_: '16777216' };
/** JavaScript heap of the process, in MiB; documents and bitmaps live outside of it. */
const HEAP_MIB = 256;

export interface RequestLimits {
  /** Milliseconds. */
  timeoutMs: number;
  /** What takes the time, for the message: "opening the document". */
  doing: string;
  signal?: AbortSignal | undefined;
}

type Settled = (reply: RasterReply | DocumentError) => void;

/**
 * The parent's side of one rasterising process. A request that takes too long, or whose caller gives up, ends the
 * process: nothing else stops pdfium.
 */
export class RasterProcess {
  private settle: Settled | undefined;
  private ended = false;
  private residentBytes_ = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (reply: RasterReply) => {
      this.settle?.(reply);
    });
    child.on('error', (cause) => {
      this.end(new DocumentError('raster_crashed', `the rasterising process failed: ${cause.message}`, { cause }));
    });
    child.on('exit', (code, signal) => {
      const how = signal === null ? `with code ${String(code)}` : `by ${signal}`;
      const why = signal === 'SIGKILL' ? ', as a system does that is short of memory' : '';
      this.end(new DocumentError('raster_crashed', `the rasterising process was ended ${how}${why}`));
    });
  }

  /** @throws DocumentError `raster_crashed` when it does not come up */
  static async start(): Promise<RasterProcess> {
    const child = fork(rasterEntry(), {
      execArgv: [`--max-old-space-size=${HEAP_MIB}`],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // Documents are hostile input: no secret of this process is within their reach.
      env: MALLOC,
    });
    const started = new RasterProcess(child);
    const reply = await started.reply({ timeoutMs: START_TIMEOUT_MS, doing: 'starting the rasterising process' });
    if (reply.type !== 'ready') throw started.unexpected(reply);
    started.keepParentAlive(false);
    return started;
  }

  get alive(): boolean {
    return !this.ended;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Bytes that the process held after its last document; 0 before the first one and after its end. */
  get residentBytes(): number {
    return this.ended ? 0 : this.residentBytes_;
  }

  /**
   * @throws DocumentError what the process answered; `raster_timeout`; `raster_crashed`; the signal's reason when aborted
   */
  async request<Type extends RasterReply['type']>(
    request: RasterRequest,
    expected: Type,
    limits: RequestLimits,
  ): Promise<Extract<RasterReply, { type: Type }>> {
    limits.signal?.throwIfAborted();
    if (this.ended) throw new DocumentError('raster_crashed', 'the rasterising process has ended');
    this.keepParentAlive(true);
    this.child.send(request);
    const reply = await this.reply(limits);
    this.keepParentAlive(false);
    if (reply.type === 'failed') throw this.refused(reply);
    if (reply.type !== expected) throw this.unexpected(reply);
    if (reply.type === 'closed') this.residentBytes_ = reply.residentBytes;
    return reply as Extract<RasterReply, { type: Type }>;
  }

  kill(): void {
    this.end(new DocumentError('raster_crashed', 'the rasterising process was ended'));
  }

  private reply({ timeoutMs, doing, signal }: RequestLimits): Promise<RasterReply> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end(new DocumentError('raster_timeout', `${doing} took longer than ${formatCount(timeoutMs)} ms`));
      }, timeoutMs);
      const aborted = (): void => {
        this.kill();
      };
      signal?.addEventListener('abort', aborted, { once: true });
      this.settle = (reply) => {
        this.settle = undefined;
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        if (signal?.aborted === true) reject(signal.reason as Error);
        else if (reply instanceof DocumentError) reject(reply);
        else resolve(reply);
      };
    });
  }

  private refused({ code, message }: FailedReply): DocumentError {
    // What ran out of memory or crashed is not used again.
    if (code === 'raster_memory' || code === 'raster_crashed') this.kill();
    // pdfium stopping on a document does so again; a process that went away may have had other reasons.
    return new DocumentError(code, message, { retryable: false });
  }

  private unexpected(reply: RasterReply): DocumentError {
    this.kill();
    return new DocumentError('raster_crashed', `the rasterising process answered out of turn (${reply.type})`);
  }

  private end(why: DocumentError): void {
    if (this.ended) return;
    this.ended = true;
    this.child.kill('SIGKILL');
    this.settle?.(why);
  }

  /** An idle process does not keep its parent from ending. */
  private keepParentAlive(busy: boolean): void {
    const { child } = this;
    if (busy) {
      child.ref();
      child.channel?.ref();
    } else {
      child.unref();
      child.channel?.unref();
    }
  }
}
