import { isIP } from 'node:net';
import { DocumentError } from '../document.error.js';
import type { FetchPolicy } from './fetch.policy.js';

/** Longest URL that is read, in characters. */
const MAX_URL = 8192;

/**
 * Reads a URL and checks scheme, port and credentials. Hosts written as one number, in octal or in hexadecimal come out
 * of the URL parser as the plain addresses that they mean.
 * @param base the URL that redirected to this one
 * @throws DocumentError `bad_url`, `url_scheme_not_allowed`, `url_port_not_allowed`
 */
export function checkUrl(text: string, policy: FetchPolicy, base?: URL): URL {
  const what = base === undefined ? 'the URL' : `the redirect from ${base.host}`;
  if (text.length > MAX_URL) {
    throw new DocumentError('bad_url', `${what} is ${text.length} characters long; the limit is ${MAX_URL}`);
  }
  if (!URL.canParse(text, base?.href)) throw new DocumentError('bad_url', `${what} cannot be read as a URL`);
  const url = new URL(text, base);
  const schemes = policy.allowHttp ? ['https:', 'http:'] : ['https:'];
  if (!schemes.includes(url.protocol)) {
    const list = schemes.join(' and ');
    throw new DocumentError('url_scheme_not_allowed', `${what} has the scheme ${url.protocol}; allowed: ${list}`);
  }
  // They would stand in logs, and with them a URL says more than it shows.
  if (url.username !== '' || url.password !== '') {
    throw new DocumentError('bad_url', `${what} carries a user name or password; remove it`);
  }
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (!policy.allowedPorts.includes(port)) {
    const list = policy.allowedPorts.join(', ');
    throw new DocumentError('url_port_not_allowed', `${what} has the port ${port}; allowed: ${list}`);
  }
  return url;
}

/**
 * The addresses that a URL's host has, all of which must be allowed: a host that mixes them has something to hide.
 * @throws DocumentError `url_not_resolved`, `url_address_not_allowed`; neither names an address, which could be an inner one
 */
export async function allowedAddresses(url: URL, policy: FetchPolicy): Promise<readonly string[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) === 0 ? await resolve(host, policy) : [host];
  if (!addresses.every((address) => policy.isAllowedAddress(address))) {
    throw new DocumentError('url_address_not_allowed', `the host ${url.hostname} is not on the public internet`);
  }
  return addresses;
}

async function resolve(host: string, policy: FetchPolicy): Promise<readonly string[]> {
  try {
    const addresses = await policy.resolve(host);
    if (addresses.length > 0) return addresses;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    const retryable = code !== 'ENOTFOUND';
    throw new DocumentError('url_not_resolved', `the host ${host} was not found (${code})`, { cause, retryable });
  }
  throw new DocumentError('url_not_resolved', `the host ${host} has no address`, { retryable: false });
}
