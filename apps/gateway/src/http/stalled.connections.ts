import { MadakvError } from '@madakv/contracts';
import type { RequestHandler } from 'express';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { contextOf } from './request.context.js';

export interface StallLimits {
  /** How long nothing may move: no byte of a body that is waited for, none of an answer that is being sent. */
  readonly idleMs: number;
  /** How long a body may take in all. */
  readonly bodyMs: number;
}

/**
 * Gives up on callers who stop in the middle: of sending a body, which is answered with 408, or of reading an answer, who
 * are disconnected. Whoever waits for an answer is in neither; and where it is this process that does not read on, as when
 * the file store is slow, the caller is not to blame. Node's own timer tells when nothing has moved: it knows how much of
 * what was written is on its way.
 */
export function stalledConnections({ idleMs, bodyMs }: StallLimits): RequestHandler {
  return (request, response, next) => {
    const giveUp = (message: string): void => {
      contextOf(request).arrival.abort(new MadakvError('request_timeout', message));
      // An answer that does not hang on the body is on its way or gone: nobody waits for the rest.
      if (response.headersSent) request.socket.destroy();
    };
    const whole = setTimeout(() => {
      if (!request.complete) giveUp(`The body was not there after ${bodyMs} ms.`);
    }, bodyMs);
    whole.unref();
    request.once('close', () => {
      clearTimeout(whole);
    });
    response.setTimeout(idleMs, () => {
      if (isAwaited(request)) giveUp(`Nothing of the body came for ${idleMs} ms.`);
      else if (isUnread(response)) request.socket.destroy();
      else request.socket.setTimeout(idleMs);
    });
    next();
  };
}

/** Whether more of the body is to come, and there is room for it. */
function isAwaited(request: IncomingMessage): boolean {
  return !request.complete && request.readableLength < request.readableHighWaterMark;
}

/** Whether there is something to read that the caller does not take. */
function isUnread({ socket }: ServerResponse): boolean {
  return (socket?.writableLength ?? 0) > 0;
}

/** Rejects once the rest of the body is not waited for any more. */
export function orGiveUp(request: IncomingMessage, reject: (reason: Error) => void): void {
  const { signal } = contextOf(request).arrival;
  const stop = (): void => {
    reject(signal.reason as Error);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
}
