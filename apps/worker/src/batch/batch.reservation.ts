import type { BatchError, BatchRecord, TokenLimits } from '@madakv/contracts';
import type { QuotaState, Refusal, TokenQuota } from '@madakv/records';
import { fileError } from './batch.validation.js';

/** How long after its end by time a batch's tokens are given back in any case, in milliseconds. */
const LAPSE_MS = 24 * 3_600_000;
const DAY_MS = 24 * 3_600_000;
const UNLIMITED: TokenLimits = { tokensPerDay: null, queuedTokens: null };

/**
 * Reserves what the lines of a batch may come to, of the day on which it was created. They are given back line by line, and the
 * rest when it has ended.
 * @returns why it cannot be run, in the code that OpenAI has for it
 */
export async function reserveBatch(
  quota: Pick<TokenQuota, 'reserve'>,
  { tenant, limits = UNLIMITED, object: { id, created_at, expires_at } }: BatchRecord,
  tokens: number,
): Promise<BatchError | undefined> {
  const acceptedAtMs = created_at * 1_000;
  const endMs = expires_at === undefined ? acceptedAtMs + DAY_MS : expires_at * 1_000;
  const claim = { tenant, id, tokens, acceptedAtMs, lapsesAtMs: endMs + LAPSE_MS };
  const { refused, ...state } = await quota.reserve(claim, limits);
  return refused === undefined
    ? undefined
    : fileError('token_limit_exceeded', messageOf(refused, tokens, state, limits));
}

function messageOf(
  refused: Refusal,
  tokens: number,
  { used, reserved, queued }: QuotaState,
  { tokensPerDay, queuedTokens }: TokenLimits,
): string {
  const asked = `the requests of the input file are taken for ${tokens} tokens`;
  if (refused === 'queuedTokens') {
    const advice = tokens > (queuedTokens ?? 0) ? 'send fewer at a time' : 'try again once other batches have ended';
    return `${asked}, and ${queued} are queued; the limit is ${queuedTokens} queued tokens: ${advice}`;
  }
  const advice = tokens > (tokensPerDay ?? 0) ? 'send fewer at a time' : 'try again tomorrow (UTC)';
  return (
    `${asked}; of the day on which it was created, ${used} tokens are used and ${reserved} reserved, and the limit is ` +
    `${tokensPerDay} tokens a day: ${advice}`
  );
}
