import type { BatchError, BatchRecord, TokenLimits } from '@madakv/contracts';
import { refusedTokens, type QuotaState, type Refusal, type RefusedTokens, type TokenQuota } from '@madakv/records';
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
  const claim = { tenant, id, isBatch: true, tokens, acceptedAtMs, lapsesAtMs: endMs + LAPSE_MS };
  const { refused, ...state } = await quota.reserve(claim, limits);
  return refused === undefined
    ? undefined
    : fileError('token_limit_exceeded', messageOf(refused, tokens, state, limits));
}

const ADVICE: Readonly<Record<RefusedTokens['fits'], string>> = {
  soon: 'try again once other requests have ended',
  tomorrow: 'try again tomorrow (UTC)',
  never: 'that is alone more than the limit, send fewer at a time',
};

function messageOf(refused: Refusal, tokens: number, state: QuotaState, limits: TokenLimits): string {
  const { limit, fits } = refusedTokens(refused, tokens, state, limits);
  const { used, reserved, queued } = state;
  const asked = `the requests of the input file are taken for ${tokens} tokens`;
  if (limit === 'queuedTokens') {
    return `${asked}, and ${queued} are queued; the limit is ${limits.queuedTokens} queued tokens: ${ADVICE[fits]}`;
  }
  return (
    `${asked}; of the day on which it was created, ${used} tokens are used and ${reserved} reserved, and the limit is ` +
    `${limits.tokensPerDay} tokens a day: ${ADVICE[fits]}`
  );
}
