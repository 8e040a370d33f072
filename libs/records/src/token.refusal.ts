import type { TokenLimits } from '@madakv/contracts';
import type { QuotaState, Refusal } from './token.quota.js';

/** What is in the way of tokens that were refused, and until when. */
export interface RefusedTokens {
  readonly limit: Refusal;
  /** Once others have ended, with the next day (UTC), or never: they are alone more than the limit. */
  readonly fits: 'soon' | 'tomorrow' | 'never';
}

/**
 * A limit that they exceed alone counts before the one that was met first: nothing that passes makes room for them.
 * @param refused the limit that was met
 * @param state as it was then
 */
export function refusedTokens(
  refused: Refusal,
  tokens: number,
  { used }: Pick<QuotaState, 'used'>,
  limits: TokenLimits,
): RefusedTokens {
  const { tokensPerDay, queuedTokens } = limits;
  if (tokens > (limits[refused] ?? Infinity)) return { limit: refused, fits: 'never' };
  if (tokens > (tokensPerDay ?? Infinity)) return { limit: 'tokensPerDay', fits: 'never' };
  if (tokens > (queuedTokens ?? Infinity)) return { limit: 'queuedTokens', fits: 'never' };
  // What is reserved may come to less; what is used stays used.
  const isFull = refused === 'tokensPerDay' && used + tokens > (tokensPerDay ?? Infinity);
  return { limit: refused, fits: isFull ? 'tomorrow' : 'soon' };
}
