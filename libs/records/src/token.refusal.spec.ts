import { describe, expect, it } from 'vitest';
import type { Refusal } from './token.quota.js';
import { refusedTokens } from './token.refusal.js';

describe('refusedTokens', () => {
  const day = (tokensPerDay: number, queuedTokens: number | null = null) => ({ tokensPerDay, queuedTokens });
  it.each<[string, Refusal, number, number, ReturnType<typeof day>, object]>([
    ['what others have reserved passes', 'tokensPerDay', 50, 40, day(100), { limit: 'tokensPerDay', fits: 'soon' }],
    ['up to the limit', 'tokensPerDay', 60, 40, day(100), { limit: 'tokensPerDay', fits: 'soon' }],
    ['what is used does not', 'tokensPerDay', 61, 40, day(100), { limit: 'tokensPerDay', fits: 'tomorrow' }],
    ['what is too much alone fits never', 'tokensPerDay', 101, 0, day(100), { limit: 'tokensPerDay', fits: 'never' }],
    ['what is queued passes', 'queuedTokens', 50, 40, day(100, 50), { limit: 'queuedTokens', fits: 'soon' }],
    ['but not for more', 'queuedTokens', 51, 40, day(100, 50), { limit: 'queuedTokens', fits: 'never' }],
    ['nor on another day', 'tokensPerDay', 51, 60, day(100, 50), { limit: 'queuedTokens', fits: 'never' }],
  ])('%s', (_, refused, tokens, used, limits, expected) => {
    expect(refusedTokens(refused, tokens, { used }, limits)).toEqual(expected);
  });
});
