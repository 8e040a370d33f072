import type { Worker } from 'node:worker_threads';
import type { ToThread } from './engine.protocol.js';
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
  private reject: (error: unknown) => void = () => undefined;
  /** Why it was cancelled, once it was. */
  private cancelled: { readonly reason: unknown } | undefined;

  constructor(
    readonly number: number,
    readonly request: EngineRequest,
    private readonly control: TicketControl,
    private readonly thread: Worker,
  ) {}

  /** Submits the request and waits for its answer. */
  async answer(): Promise<EngineAnswer> {
    const { signal } = this.control;
    const abort = (): void => {
      this.cancel(signal?.reason);
    };
    const answer = new Promise<EngineAnswer>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    const { images, ...rest } = this.request;
    this.send({
      kind: 'submit',
      ticket: this.number,
      request: { ...rest, images: images.map(({ key, part, width, height }) => ({ key, part, width, height })) },
    });
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await answer;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
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
    this.send({ kind: 'cancel', ticket: this.number });
  }

  private send(message: ToThread, ...transfer: ArrayBuffer[]): void {
    this.thread.postMessage(message, transfer);
  }
}
