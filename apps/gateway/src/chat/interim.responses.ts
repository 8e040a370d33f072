import type { Request, Response } from 'express';

/** Headers that whatever stands in between adds, of which one at least is customary. */
const FORWARDED = ['via', 'forwarded', 'x-forwarded-for', 'x-real-ip'];

/**
 * Keeps Node's fetch waiting for a plain answer: it gives up when no header has come for 300 seconds, whatever timeout its
 * caller has set, and an interim response begins them anew (`102 Processing`, RFC 2518, 10.1). The status of the answer is
 * still open then. Nobody else gets any, as old clients and proxies take one for the answer.
 */
export function keepWaiting(request: Request, response: Response, everyMs: number): { readonly stop: () => void } {
  const timer = takesInterim(request)
    ? setInterval(() => {
        if (!response.headersSent && !response.destroyed) response.writeProcessing();
      }, everyMs)
    : undefined;
  return {
    stop: () => {
      clearInterval(timer);
    },
  };
}

/**
 * Node's fetch (undici), by itself or under a client that says so, at the other end of this very connection: it asks to keep
 * the connection, which a proxy would have answered for itself.
 */
export function takesInterim({ headers, httpVersion }: Pick<Request, 'headers' | 'httpVersion'>): boolean {
  const agent = headers['user-agent'] ?? '';
  const isNodeFetch =
    headers['x-stainless-runtime'] === 'node' || /^(node|undici)$/.test(agent) || agent.includes('runtime/node');
  const isDirect = headers.connection?.toLowerCase() === 'keep-alive' && !FORWARDED.some((name) => name in headers);
  return isNodeFetch && isDirect && httpVersion === '1.1';
}
