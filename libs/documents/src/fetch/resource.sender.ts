import { DEFAULT_FETCH_POLICY, type FetchPolicy } from './fetch.policy.js';
import { asDocumentError, connectTo, unlessAborted, withinTime } from './pinned.connection.js';
import { allowedAddresses, checkUrl } from './url.check.js';

/** What is read of an answer before the connection is closed, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** What is sent. */
export interface SentMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Posts a message to a URL under the rules by which documents are fetched: scheme, port and every address of its host are checked, and
 * the connection goes to one of those very addresses. Redirects are not followed, the answer's content is not looked at, and no more of
 * it is read than a limit.
 * @returns the status that was answered, whatever it is
 * @throws DocumentError where nothing was answered; the signal's reason when aborted
 */
export async function sendMessage(
  to: string,
  { headers, body }: SentMessage,
  policy: Partial<FetchPolicy> = {},
  signal?: AbortSignal,
): Promise<number> {
  const rules = { ...DEFAULT_FETCH_POLICY, ...policy };
  const url = checkUrl(to, rules);
  return withinTime('sending', rules.totalTimeoutMs, signal, async (stop) => {
    const client = connectTo(url, await unlessAborted(allowedAddresses(url, rules), stop), rules);
    try {
      const path = `${url.pathname}${url.search}`;
      const response = await client.request({ method: 'POST', path, headers, body, signal: stop });
      // The status is what counts; how the rest ends does not.
      response.body.on('error', () => undefined);
      await response.body.dump({ limit: MAX_ANSWER_BYTES, signal: stop }).catch(() => undefined);
      return response.statusCode;
    } catch (error) {
      throw asDocumentError(error, url, rules);
    } finally {
      void client.destroy().catch(() => undefined);
    }
  });
}
