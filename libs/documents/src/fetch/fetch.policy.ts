import { lookup } from 'node:dns/promises';
import { MEDIA_TYPES, type MediaType } from '../media/media.type.js';
import { isPublicAddress } from './address.rules.js';

/** What may be fetched, from where, and for how long. */
export interface FetchPolicy {
  /** Whether `http:` is allowed beside `https:`. */
  allowHttp: boolean;
  /** Ports that may be connected to. */
  allowedPorts: readonly number[];
  /** Redirects followed, each checked like the first URL. */
  maxRedirects: number;
  /** Largest content, in bytes: what comes over the wire, and what it decompresses to. */
  maxBytes: number;
  /** Time to connect, TLS included, in milliseconds. */
  connectTimeoutMs: number;
  /** Longest silence of the server, in milliseconds. */
  idleTimeoutMs: number;
  /** Time for all of it, redirects included, in milliseconds. */
  totalTimeoutMs: number;
  accepted: readonly MediaType[];
  /** Whether this address may be connected to. */
  isAllowedAddress: (address: string) => boolean;
  /** All addresses of a host name. Asked once a connection, which then goes to one of these addresses. */
  resolve: (hostname: string) => Promise<readonly string[]>;
  /** Certificate authorities trusted instead of the built-in ones, in PEM. */
  certificateAuthorities?: readonly string[];
}

export const DEFAULT_FETCH_POLICY: FetchPolicy = {
  allowHttp: false,
  allowedPorts: [443],
  maxRedirects: 3,
  maxBytes: 64 * 1024 ** 2,
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 10_000,
  totalTimeoutMs: 60_000,
  accepted: MEDIA_TYPES,
  isAllowedAddress: isPublicAddress,
  resolve: resolveBySystem,
};

async function resolveBySystem(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
