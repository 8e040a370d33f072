import type { Client, Dispatcher } from 'undici';
import { DocumentError } from '../document.error.js';
import { checkDeclaredType, checkMediaType, type MediaType } from '../media/media.type.js';
import { readBody } from './body.reader.js';
import { DEFAULT_FETCH_POLICY, type FetchPolicy } from './fetch.policy.js';
import { asDocumentError, connectTo, unlessAborted, withinTime } from './pinned.connection.js';
import { allowedAddresses, checkUrl } from './url.check.js';

export interface FetchedResource {
  /** Where the content came from, after redirects. */
  url: string;
  mediaType: MediaType;
  bytes: Uint8Array;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const RETRYABLE_STATUS = new Set([408, 425, 429]);

/**
 * Fetches a document or image from the public internet. Each URL, first or redirected to, is checked, its host resolved
 * once and all addresses checked, and the connection goes to one of those very addresses, so that a name which changes
 * its mind between check and connection changes nothing; TLS still verifies the name. No proxy, no cookies, no
 * credentials, no connection kept.
 * @throws DocumentError; the signal's reason when aborted
 */
export async function fetchResource(
  url: string,
  policy: Partial<FetchPolicy> = {},
  signal?: AbortSignal,
): Promise<FetchedResource> {
  const rules = { ...DEFAULT_FETCH_POLICY, ...policy };
  return withinTime('fetching', rules.totalTimeoutMs, signal, (stop) => follow(url, rules, stop));
}

async function follow(first: string, policy: FetchPolicy, signal: AbortSignal): Promise<FetchedResource> {
  let url = checkUrl(first, policy);
  for (let redirects = 0; ; redirects++) {
    const addresses = await unlessAborted(allowedAddresses(url, policy), signal);
    const client = connectTo(url, addresses, policy);
    try {
      const answer = await get(client, url, policy, signal);
      if (!('redirect' in answer)) return { url: url.href, ...answer };
      if (redirects === policy.maxRedirects) {
        throw new DocumentError('url_too_many_redirects', `more than ${policy.maxRedirects} redirects`);
      }
      url = checkUrl(answer.redirect, policy, url);
    } catch (error) {
      throw asDocumentError(error, url, policy);
    } finally {
      void client.destroy().catch(() => undefined);
    }
  }
}

type Answer = { redirect: string } | { mediaType: MediaType; bytes: Uint8Array };

async function get(client: Client, url: URL, policy: FetchPolicy, signal: AbortSignal): Promise<Answer> {
  const response = await client.request({
    method: 'GET',
    path: `${url.pathname}${url.search}`,
    headers: { accept: policy.accepted.join(', '), 'accept-encoding': 'identity', 'user-agent': 'madakv' },
    signal,
  });
  // Errors after the last byte that is read here are nobody's concern.
  response.body.on('error', () => undefined);
  const { statusCode: status } = response;
  if (REDIRECTS.has(status)) {
    const location = header(response, 'location');
    if (location !== undefined) return { redirect: location };
  }
  if (status !== 200) {
    const retryable = status >= 500 || RETRYABLE_STATUS.has(status);
    throw new DocumentError('url_status', `${url.host} answered with status ${status}`, { retryable });
  }
  const declared = header(response, 'content-type');
  if (declared !== undefined) checkDeclaredType(declared, policy.accepted);
  const bytes = await readBody(response.body, {
    maxBytes: policy.maxBytes,
    announcedBytes: header(response, 'content-length'),
    encoding: header(response, 'content-encoding'),
  });
  return { mediaType: checkMediaType(bytes, declared, policy.accepted), bytes };
}

function header(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
