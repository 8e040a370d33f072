import { isIPv6, type LookupFunction } from 'node:net';
import { Client, errors } from 'undici';
import { DocumentError } from '../document.error.js';
import { formatCount } from '../quantity.format.js';
import type { FetchPolicy } from './fetch.policy.js';

const MAX_HEADER_BYTES = 16 * 1024;

/** A client whose connections go to the addresses given, whatever the name means by then. */
export function connectTo(url: URL, addresses: readonly string[], policy: FetchPolicy): Client {
  const pinned = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  const lookup: LookupFunction = (_hostname, options, done) => {
    if (options.all === true) done(null, pinned);
    else done(null, pinned[0].address, pinned[0].family);
  };
  const { connectTimeoutMs, idleTimeoutMs, certificateAuthorities: ca } = policy;
  return new Client(url.origin, {
    connect: { lookup, timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca: [...ca] }) },
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    maxHeaderSize: MAX_HEADER_BYTES,
    autoSelectFamily: true,
  });
}

/**
 * Does work that has to stop after a time.
 * @param what the work is called in the error: `fetching`
 * @throws DocumentError url_timeout; the signal's reason when aborted; what the work throws
 */
export async function withinTime<Value>(
  what: string,
  ms: number,
  signal: AbortSignal | undefined,
  work: (stop: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const deadline = AbortSignal.timeout(ms);
  const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  try {
    return await work(stop);
  } catch (error) {
    signal?.throwIfAborted();
    if (deadline.aborted) throw new DocumentError('url_timeout', `${what} took longer than ${formatCount(ms)} ms`);
    throw error;
  }
}

/** What went wrong with a connection, as an error with a code. */
export function asDocumentError(error: unknown, url: URL, policy: FetchPolicy): unknown {
  if (error instanceof DocumentError) return error;
  if (error instanceof errors.ConnectTimeoutError) {
    const message = `connecting to ${url.host} took longer than ${formatCount(policy.connectTimeoutMs)} ms`;
    return new DocumentError('url_timeout', message, { cause: error });
  }
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
    const message = `${url.host} was silent for more than ${formatCount(policy.idleTimeoutMs)} ms`;
    return new DocumentError('url_timeout', message, { cause: error });
  }
  const { code, name } = error as NodeJS.ErrnoException;
  return new DocumentError('url_failed', `the connection to ${url.host} failed (${code ?? name})`, { cause: error });
}

/** Looking a name up cannot be cancelled; waiting for it can. */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', aborted);
    });
  });
}
