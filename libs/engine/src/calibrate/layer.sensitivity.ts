import type { PreparedPrompt } from '@madakv/models';
import type { GenerationControl, GenerationRequest, GenerationResult } from '../generation.js';
import { argmax } from '../sampling/sampler.js';
import { divergence } from './divergence.js';
import { oneLayerPolicy, rankingPolicy } from './one.layer.policy.js';

/** The part of the engine that calibration needs. */
export interface Generator {
  generate(request: GenerationRequest, control?: GenerationControl): Promise<GenerationResult>;
}

/** A request to measure on. */
export interface CalibrationRequest {
  readonly prompt: PreparedPrompt;
  /** The right answer, where it is known, and tokens enough for it and its end. */
  readonly expected?: { readonly text: string; readonly maxTokens: number };
}

/** What one request says about every layer. */
export interface RequestSensitivity {
  readonly promptTokens: number;
  /** `[layers]` divergence of the first answer token's distribution, in nats. */
  readonly divergences: readonly number[];
  /** `[layers]` whether the likeliest first token stayed the same. */
  readonly sameFirst: readonly boolean[];
  /** Whether the answer was the expected one: with the full cache, and with each layer evicted. Absent without one. */
  readonly correct?: { readonly full: boolean; readonly layers: readonly boolean[] };
  /** `[layers][heads][modalities]` share of the attention (6). */
  readonly preference: readonly (readonly (readonly number[])[])[];
}

export interface SensitivityOptions {
  /** Share of its rows that the layer under test keeps. */
  readonly ratio: number;
  readonly signal?: AbortSignal;
  /** Told after each answer; there are `layers + 1` of them. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Measures how much an answer depends on each layer's cache. The request is answered once with the full cache and once for
 * each layer with only that layer cut down to its best rows, under the replay protocol, so that the first answer token comes
 * from the cache under test.
 *
 * One prompt's full cache is held at a time, `tokens * layers` rows, which no other generation needs.
 * @throws GrantTooSmallError when `ratio` of the prompt is less than the ranking's floors; the signal's reason
 */
export async function requestSensitivity(
  engine: Generator,
  layers: number,
  request: CalibrationRequest,
  { ratio, signal, onProgress }: SensitivityOptions,
): Promise<RequestSensitivity> {
  const ranking = rankingPolicy();
  let done = 0;
  const answer = async (evicted?: number): Promise<Answer> => {
    const result = await engine.generate(
      {
        prompt: request.prompt,
        policy: oneLayerPolicy(ranking, ratio, evicted),
        cacheRatio: 1,
        maxTokens: request.expected?.maxTokens ?? 1,
        protocol: 'replay',
        wantFirstLogits: true,
      },
      signal === undefined ? {} : { signal },
    );
    onProgress?.(++done);
    return judge(result, request);
  };
  const full = await answer();
  const evicted: Answer[] = [];
  for (let layer = 0; layer < layers; layer++) evicted.push(await answer(layer));
  const first = argmax(full.logits);
  return {
    promptTokens: request.prompt.inputIds.length,
    divergences: evicted.map(({ logits }) => divergence(full.logits, logits)),
    sameFirst: evicted.map(({ logits }) => argmax(logits) === first),
    ...(request.expected === undefined
      ? {}
      : { correct: { full: full.correct, layers: evicted.map(({ correct }) => correct) } }),
    preference: full.preference,
  };
}

interface Answer {
  /** `[vocab]` of the first token. */
  readonly logits: Float32Array;
  readonly correct: boolean;
  readonly preference: readonly (readonly (readonly number[])[])[];
}

function judge(result: GenerationResult, { expected }: CalibrationRequest): Answer {
  if (result.firstLogits === undefined) throw new Error('the engine reported no logits');
  return {
    logits: result.firstLogits,
    correct: result.finishReason === 'stop' && result.text.trim() === expected?.text.trim(),
    preference: result.trace.layers.map(({ preference }) => preference),
  };
}
