import { GEN_AI, type QueueKind } from '@madakv/contracts';
import { record } from './instruments.js';
import { errorTypeOf } from './span.errors.js';

export interface SettledRequest {
  readonly model: string;
  /** From acceptance to the outcome. */
  readonly seconds: number;
  /** Why it failed, where it did. */
  readonly error?: unknown;
}

/** A request has its outcome, whichever. */
export function requestSettled({ model, seconds, error }: SettledRequest): void {
  const errorType = error === undefined ? undefined : errorTypeOf(error);
  record('requestDuration', seconds, { ...GEN_AI, model, errorType });
}

export interface GeneratedAnswer {
  readonly model: string;
  readonly policy: string;
  readonly outputTokens: number;
  /** From submission to the engine. */
  readonly firstTokenSeconds: number;
  /** From the first token to the last. */
  readonly decodeSeconds: number;
  readonly cache: {
    /** Share that was granted. */
    readonly ratio: number;
    readonly fullBytes: number;
    readonly peakBytes: number;
    readonly keptBytes: number;
  };
}

/** The engine has answered a request. */
export function answerGenerated(answer: GeneratedAnswer): void {
  const { model, policy, outputTokens, firstTokenSeconds, decodeSeconds, cache } = answer;
  record('timeToFirstToken', firstTokenSeconds, { ...GEN_AI, model });
  if (outputTokens > 1) record('timePerOutputToken', decodeSeconds / (outputTokens - 1), { ...GEN_AI, model });
  record('cacheFull', cache.fullBytes, { model, policy });
  record('cachePeak', cache.peakBytes, { model, policy });
  record('cacheKept', cache.keptBytes, { model, policy });
  record('cacheRatio', cache.ratio, { model, policy });
}

/** A worker has taken a job that could have run `seconds` ago. */
export function queueWaited(wait: {
  readonly kind: QueueKind;
  readonly model?: string;
  readonly seconds: number;
}): void {
  record('queueWait', wait.seconds, { queueKind: wait.kind, model: wait.model });
}

/** A request has got its lease `seconds` after it first asked for one. */
export function leaseWaited({ model, seconds }: { readonly model: string; readonly seconds: number }): void {
  record('leaseWait', seconds, { model });
}
