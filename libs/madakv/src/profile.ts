/**
 * Layer profiles: how much of the cache each layer gets, relative to the mean. A profile calibrated for a model
 * (`madakv calibrate`) is best; the shapes here stand in until there is one.
 */

/** A profile as calibration writes it. */
export interface LayerProfile {
  /** `[layers]` weights > 0; their mean is taken as 1. */
  readonly layers: readonly number[];
  /** `[layers][heads]` weights > 0 of the heads in a layer's demand and in the reduction over heads. */
  readonly heads?: readonly (readonly number[])[];
}

/** The shape that reads documents best (docs/adr/0004-defaults-of-madakv.md): early layers look everywhere and need little, late layers copy. */
const lateShape = [0.3, 0.3, 0.9, 1.5, 1.5, 1.5];

/** `[layers]`: every layer the same. */
export function flatProfile(layers: number): number[] {
  return new Array<number>(layers).fill(1);
}

/** `[layers]`: late layers more, a shape of six layers resampled to `layers`; mean 1. */
export function lateProfile(layers: number): number[] {
  return withMeanOne(resample(lateShape, layers));
}

/** `[layers]`: from `first` down (or up) to `last` in equal steps; mean 1. */
export function linearProfile(layers: number, first: number, last: number): number[] {
  if (layers === 1) return [1];
  return withMeanOne(Array.from({ length: layers }, (_, l) => first + ((last - first) * l) / (layers - 1)));
}

/** Scales weights to a mean of 1. */
export function withMeanOne(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => (weight * weights.length) / sum);
}

/** Samples a shape at the middles of `count` equal stretches, linearly between the middles of its own. */
function resample(shape: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const at = Math.min(shape.length - 1, Math.max(0, ((i + 0.5) * shape.length) / count - 0.5));
    const low = Math.floor(at);
    const high = Math.min(shape.length - 1, low + 1);
    return shape[low] + (shape[high] - shape[low]) * (at - low);
  });
}
