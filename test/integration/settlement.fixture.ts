import type { Outcome } from '@madakv/contracts';
import type { RequestRef, RequestSettlement } from '@madakv/records';

/** What a worker settles with a request's outcome, where a test looks at other things: by default acme's, of now, for the model `m`. */
export function settlementOf(
  { requestId, source }: RequestRef,
  { state, usage }: Pick<Outcome, 'state' | 'usage'>,
  changes: Partial<Omit<RequestSettlement, 'counts'>> = {},
): RequestSettlement {
  return {
    tenant: 'acme',
    model: 'm',
    acceptedAtMs: Date.now(),
    reservation: source.kind === 'line' ? source.batchId : requestId,
    reservedTokens: source.kind === 'line' ? 0 : undefined,
    counts: {
      requests: 1,
      errors: state === 'failed' ? 1 : 0,
      promptTokens: usage?.prompt_tokens ?? 0,
      cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      completionTokens: usage?.completion_tokens ?? 0,
      fullBytes: state === 'failed' ? 0 : 100,
      keptBytes: state === 'failed' ? 0 : 20,
    },
    ...changes,
  };
}
