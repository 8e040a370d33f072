import { questionId, type Need, type PreparedRequest, type RequestJob } from '@madakv/contracts';
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
  /** Of its trace: the request's id, and for every question after the first with its number, `chatcmpl-1.2`. */
  readonly id: string;
  /** As if the request asked nothing else. */
  readonly prepared: PreparedRequest;
  readonly settings: GenerationSettings;
  readonly demand: CacheDemand;
  readonly need: Need;
}

/** A request with what it asks: one question, or with `madakv.extract` one for each field. */
export interface AskedRequest {
  readonly attempt: RequestAttempt;
  readonly prepared: PreparedRequest;
  readonly questions: readonly Question[];
}

/** @throws what is wrong with the parameters of a request that another version has prepared */
export function askedRequest(attempt: RequestAttempt, prepared: PreparedRequest, kv: KvGeometry): AskedRequest {
  const { extraction, ...first } = prepared;
  const others = extraction?.others.map((other): PreparedRequest => ({ ...first, ...other })) ?? [];
  const questions = [first, ...others].map((each, i) => questionOf(attempt, each, i + 1, kv));
  return { attempt, prepared, questions };
}

/** As the queue runs them: chat completions first, then lines in turns among tenants. */
export function rankOf({ fairTag = 0 }: RequestJob): number {
  return fairTag;
}

export function tokensOf({ promptTokens }: Pick<PreparedRequest, 'promptTokens'>): number {
  return Object.values(promptTokens).reduce((sum, count) => sum + count, 0);
}

function questionOf(attempt: RequestAttempt, prepared: PreparedRequest, number: number, kv: KvGeometry): Question {
  const settings = generationSettings(readParameters(prepared.parameters));
  const { cacheRatio, minCacheRatio } = prepared;
  const tokens = tokensOf(prepared);
  const heldBack = settings.protocol === 'replay' && tokens > 1 ? 1 : 0;
  const demand = { tokens, heldBack, maxTokens: settings.maxTokens, cacheRatio, minCacheRatio };
  const { requestId } = attempt.request;
  return { attempt, id: questionId(requestId, number), prepared, settings, demand, need: memoryNeed(demand, kv) };
}
