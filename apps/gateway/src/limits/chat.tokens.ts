import { MadakvError, type TokenLimits } from '@madakv/contracts';
import { dayOf, Records, refusedTokens, startOfDay, type QuotaState, type Refusal } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { Chat } from '../chat/chat.service.js';
import { TenantLimits } from './tenant.limits.js';

/** When to ask again, in milliseconds, where it is for others to end. */
const RETRY_MS = 2_000;
/** A reservation of a chat that has not ended lapses so long after its time is over, in milliseconds: its gateway died. */
const LAPSE_MS = 60_000;

/** Tokens that a tenant's chat completions may come to, over all gateways. Those of batches are reserved where they are validated. */
@Injectable()
export class ChatTokens {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
  ) {}

  /**
   * Runs `work` with the chat's tokens reserved, and says in the response's headers what is left of the day. The worker that ends
   * it gives them back and counts the true figure in one step; what is left here is of one that was cancelled.
   * @throws MadakvError rate_limit_exceeded where they are too many
   */
  async run<T>({ job, estimatedTokens }: Chat, response: Response, work: () => Promise<T>): Promise<T> {
    const { tenant, requestId, acceptedAtMs, expiresAtMs = acceptedAtMs } = job;
    const limits = this.limits.of(tenant);
    const claim = {
      tenant,
      id: requestId,
      tokens: estimatedTokens,
      acceptedAtMs,
      lapsesAtMs: expiresAtMs + LAPSE_MS,
    };
    try {
      // Whose reply is lost may have reserved all the same.
      const { refused, ...state } = await this.records.quota.reserve(claim, limits);
      setTokenHeaders(response, limits, state, acceptedAtMs);
      if (refused !== undefined) throw exceeded(refused, estimatedTokens, state, limits, acceptedAtMs);
      return await work();
    } finally {
      await this.records.quota.release(tenant, requestId).catch(() => undefined);
    }
  }
}

/** When the day of a time ends (UTC), in milliseconds after it. */
export function untilMidnight(atMs: number): number {
  return startOfDay(dayOf(atMs) + 1) - atMs;
}

/** OpenAI's headers. There are none where nothing is limited. */
function setTokenHeaders(response: Response, { tokensPerDay }: TokenLimits, state: QuotaState, atMs: number): void {
  if (tokensPerDay === null) return;
  response.set({
    'x-ratelimit-limit-tokens': String(tokensPerDay),
    'x-ratelimit-remaining-tokens': String(Math.max(0, tokensPerDay - state.used - state.reserved)),
    'x-ratelimit-reset-tokens': `${Math.ceil(untilMidnight(atMs) / 1000)}s`,
  });
}

/** Where others are in the way it passes in moments, where the day is used up at midnight, and where it is too much alone never. */
function exceeded(refused: Refusal, tokens: number, state: QuotaState, limits: TokenLimits, atMs: number): MadakvError {
  const { limit, fits } = refusedTokens(refused, tokens, state, limits);
  const { used, reserved, queued } = state;
  const asked = `The request is taken for ${tokens} tokens`;
  const advice =
    fits === 'never' ? ' That is alone more than the limit: ask for fewer pages, fields or answer tokens.' : '';
  const [message, reason] =
    limit === 'queuedTokens'
      ? [
          `${asked}, and ${queued} are queued; the limit is ${limits.queuedTokens} queued tokens.`,
          'queued_tokens_exceeded',
        ]
      : [
          `${asked}; today (UTC) ${used} are used and ${reserved} reserved, and the limit is ${limits.tokensPerDay} tokens a day.`,
          'tokens_per_day_exceeded',
        ];
  const waits = { soon: RETRY_MS, tomorrow: untilMidnight(atMs), never: undefined }[fits];
  return new MadakvError('rate_limit_exceeded', `${message}${advice}`, {
    reason,
    lasting: fits !== 'soon',
    ...(waits === undefined ? {} : { retryAfterMs: waits }),
  });
}
