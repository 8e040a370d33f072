import type { Response } from 'express';
import { once } from 'node:events';

/**
 * Server-sent events. Nothing is sent before there is something to say, so that an error can still be an ordinary response;
 * a caller who has waited for `heartbeatMs` gets a comment, which begins the stream.
 */
export class EventStream {
  private readonly heartbeat: NodeJS.Timeout;

  /** @param retryMs when a browser that was cut off comes back; it decides itself without */
  constructor(
    private readonly response: Response,
    heartbeatMs: number,
    private readonly retryMs?: number,
  ) {
    this.heartbeat = setInterval(() => {
      void this.write(': waiting\n\n');
    }, heartbeatMs);
    response.once('close', () => {
      clearInterval(this.heartbeat);
    });
  }

  /** Whether the caller has been told that this is a stream. */
  get hasBegun(): boolean {
    return this.response.headersSent;
  }

  /** Returns when there is room for more. @param event its name, where it has one */
  async send(data: object | '[DONE]', event?: string): Promise<void> {
    this.heartbeat.refresh();
    await this.write(
      `${event === undefined ? '' : `event: ${event}\n`}data: ${data === '[DONE]' ? data : JSON.stringify(data)}\n\n`,
    );
  }

  end(): void {
    clearInterval(this.heartbeat);
    this.response.end();
  }

  /** Leaves the response to others. */
  abandon(): void {
    clearInterval(this.heartbeat);
  }

  private async write(text: string): Promise<void> {
    const { response } = this;
    if (response.destroyed || response.writableEnded) return;
    if (!response.headersSent) {
      // The last one asks proxies not to collect the events.
      response.set({ 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
      response.flushHeaders();
      if (this.retryMs !== undefined) response.write(`retry: ${this.retryMs}\n\n`);
    }
    if (response.write(text)) return;
    const closed = new AbortController();
    const stop = (): void => {
      closed.abort();
    };
    response.once('close', stop);
    await once(response, 'drain', { signal: closed.signal }).catch(() => undefined);
    response.off('close', stop);
  }
}
