import type { Need, PreparedRequest, RequestJob } from '@madakv/contracts';
import type { KvGeometry } from '@madakv/engine';
import {
  generationSettings,
  memoryNeed,
  readParameters,
  type CacheDemand,
  type GenerationSettings,
} from '@madakv/requests';
import type { RequestAttempt } from '../roles/request.attempt.js';

/** What is asked of the engine, and what that takes. */
export interface Question {
  readonly attempt: RequestAttempt;
  readonly prepared: PreparedRequest;
  readonly settings: GenerationSettings;
  readonly demand: CacheDemand;
  readonly need: Need;
}

/** @throws what is wrong with the parameters of a request that another version has prepared */
export function questionOf(attempt: RequestAttempt, prepared: PreparedRequest, kv: KvGeometry): Question {
  const settings = generationSettings(readParameters(prepared.parameters));
  const { cacheRatio, minCacheRatio } = prepared;
  const tokens = tokensOf(prepared);
  const heldBack = settings.protocol === 'replay' && tokens > 1 ? 1 : 0;
  const demand = { tokens, heldBack, maxTokens: settings.maxTokens, cacheRatio, minCacheRatio };
  return { attempt, prepared, settings, demand, need: memoryNeed(demand, kv) };
}

/** As the queue runs them: chat completions first, then lines in turns among tenants. */
export function rankOf({ fairTag = 0 }: RequestJob): number {
  return fairTag;
}

export function tokensOf({ promptTokens }: PreparedRequest): number {
  return Object.values(promptTokens).reduce((sum, count) => sum + count, 0);
}
