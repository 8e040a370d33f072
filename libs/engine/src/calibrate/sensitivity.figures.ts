import type { RequestSensitivity } from './layer.sensitivity.js';

/** What all requests together say about one layer. */
export interface LayerFigures {
  readonly layer: number;
  readonly weight: number;
  /** Divergence of the first answer token's distribution when only this layer is evicted, in nats. */
  readonly meanDivergence: number;
  readonly maxDivergence: number;
  /** Share of the requests whose likeliest first token stayed the same. */
  readonly sameFirst: number;
  /** Share of the requests with an expected answer that still got it. Absent when none has one. */
  readonly correct?: number;
  /** `[heads][modalities]` mean share of the attention. */
  readonly preference: readonly (readonly number[])[];
}

export interface SensitivityFigures {
  readonly layers: readonly LayerFigures[];
  /** Share of the requests with an expected answer that got it with the full cache. Absent when none has one. */
  readonly correctFull?: number;
}

/** Joins the requests' measurements. @param weights `[layers]`, as made from {@link meanDivergences} */
export function sensitivityFigures(
  requests: readonly RequestSensitivity[],
  weights: readonly number[],
): SensitivityFigures {
  const judged = requests.flatMap(({ correct }) => (correct === undefined ? [] : [correct]));
  const layers = weights.map((weight, layer) => ({
    layer,
    weight,
    meanDivergence: mean(requests.map(({ divergences }) => divergences[layer])),
    maxDivergence: Math.max(...requests.map(({ divergences }) => divergences[layer])),
    sameFirst: share(requests.map(({ sameFirst }) => sameFirst[layer])),
    ...(judged.length === 0 ? {} : { correct: share(judged.map((answers) => answers.layers[layer])) }),
    preference: meanPreference(requests, layer),
  }));
  return { layers, ...(judged.length === 0 ? {} : { correctFull: share(judged.map(({ full }) => full)) }) };
}

/** `[layers]` mean over the requests. */
export function meanDivergences(requests: readonly RequestSensitivity[]): number[] {
  return requests[0].divergences.map((_, layer) => mean(requests.map(({ divergences }) => divergences[layer])));
}

function meanPreference(requests: readonly RequestSensitivity[], layer: number): number[][] {
  return requests[0].preference[layer].map((modalities, head) =>
    modalities.map((_, modality) => mean(requests.map(({ preference }) => preference[layer][head][modality]))),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function share(answers: readonly boolean[]): number {
  return answers.filter(Boolean).length / answers.length;
}
