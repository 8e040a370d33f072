import { createHmac } from 'node:crypto';

/** Begins every secret; the rest is the key in base64. */
const SECRET_PREFIX = 'whsec_';

export interface SignedMessage {
  /** The same for each attempt, so that a receiver knows what it has seen. */
  readonly id: string;
  /** Seconds since 1970 of this attempt. */
  readonly timestamp: number;
  readonly body: string;
}

/**
 * Headers of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, timestamp and body by each secret, so that a
 * receiver verifies with either while they are rotated.
 * @param secrets `whsec_` and base64
 */
export function signatureHeaders({ id, timestamp, body }: SignedMessage, secrets: readonly string[]) {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
