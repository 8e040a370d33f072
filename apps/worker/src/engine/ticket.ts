import type { Worker } from 'node:worker_threads';
import type { Submitted, ToThread } from './engine.protocol.js';
import type { EngineAnswer, EngineEvent, EngineRequest } from './engine.request.js';

export interface TicketControl {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: EngineEvent) => void;
}

/** The host's side of one request in the engine's thread. */
export class Ticket {
  /** The engine has begun with it. */
  running = false;
  resolve: (answer: EngineAnswer) => void = () => undefined;
  /** The thread has it. */
  private submitted = false;
  private reject: (error: unknown) => void = () => undefined;
  /** Why it was cancelled, once it was. */
  private cancelled: { readonly reason: unknown } | undefined;

  constructor(
    readonly number: number,
    readonly request: EngineRequest,
    private readonly control: TicketControl,
    private readonly thread: Worker,
  ) {}

  /** Waits for the answer to a request that is submitted meanwhile. */
  async answer(): Promise<EngineAnswer> {
    const { signal } = this.control;
    const abort = (): void => {
      this.cancel(signal?.reason);
    };
    const answer = new Promise<EngineAnswer>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await answer;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** What the thread is told of it, which has it from then on; undefined for one that was cancelled before. */
  submit(): Submitted | undefined {
    if (this.cancelled !== undefined) return undefined;
    this.submitted = true;
    const { images, ...rest } = this.request;
    return {
      ticket: this.number,
      request: { ...rest, images: images.map(({ key, part, width, height }) => ({ key, part, width, height })) },
    };
  }

  /** What the request fails with; a cancelled one with the reason of its cancellation. */
  fail(error: unknown): void {
    this.reject(this.cancelled === undefined ? error : this.cancelled.reason);
  }

  /** A listener that throws cancels its own request. */
  emit(event: EngineEvent): void {
    if (event.kind === 'started') this.running = true;
    if (this.cancelled !== undefined) return;
    try {
      this.control.onEvent?.(event);
    } catch (error) {
      this.cancel(error);
    }
  }

  /** Loads an image for the thread. */
  async sendImage(index: number): Promise<void> {
    try {
      // A copy of its own: buffers of Node share their memory and cannot be handed over.
      const bytes = new Uint8Array(await this.request.images[index].load());
      this.send({ kind: 'image', ticket: this.number, index, bytes }, bytes.buffer);
    } catch (error) {
      this.cancel(error);
    }
  }

  private cancel(reason: unknown): void {
    if (this.cancelled !== undefined) return;
    this.cancelled = { reason };
    if (!this.submitted) this.reject(reason);
    else this.send({ kind: 'cancel', ticket: this.number });
  }

  private send(message: ToThread, ...transfer: ArrayBuffer[]): void {
    this.thread.postMessage(message, transfer);
  }
}
