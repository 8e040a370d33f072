import { SeededRandom } from './random.js';

/** How the next token is chosen. Defaults are OpenAI's, but for temperature: 0 (greedy) suits document questions. */
export interface SamplingOptions {
  /** 0 takes the likeliest token; otherwise logits are divided by it. */
  readonly temperature: number;
  /** Sample from the smallest set of tokens whose probabilities reach this sum; 1 keeps all. */
  readonly topP: number;
  /** Sample from this many likeliest tokens; 0 keeps all. */
  readonly topK: number;
  readonly seed: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or answer (CTRL, arXiv 1909.05858); 1 is off. */
  readonly repetitionPenalty: number;
  /** Subtracted once from the logit of each token the answer already has. */
  readonly presencePenalty: number;
  /** Subtracted for each time the answer already has the token. */
  readonly frequencyPenalty: number;
}

export const GREEDY: SamplingOptions = {
  temperature: 0,
  topP: 1,
  topK: 0,
  seed: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

export interface TokenLogprob {
  readonly id: number;
  /** Natural logarithm of the probability before temperature and truncation, after penalties and constraint. */
  readonly logprob: number;
}

/** Chooses one sequence's tokens. Ties go to the lower id. */
export class Sampler {
  private readonly random: SeededRandom;
  private readonly counts = new Map<number, number>();
  private readonly seen: Set<number>;

  /** @throws RangeError for an option outside of its range, with the range */
  constructor(
    private readonly options: SamplingOptions,
    promptIds: Int32Array,
  ) {
    validateSampling(options);
    this.random = new SeededRandom(options.seed);
    this.seen = new Set(options.repetitionPenalty === 1 ? [] : promptIds);
  }

  /**
   * @param logits `[vocab]`; penalties are applied to it in place
   * @returns the token, counted as part of the answer from now on
   */
  next(logits: Float32Array): number {
    this.penalise(logits);
    const id = this.options.temperature === 0 ? argmax(logits) : this.draw(logits);
    this.take(id);
    return id;
  }

  /** Whether the next token is the likeliest one, whatever came before. */
  get takesLikeliest(): boolean {
    const { temperature, repetitionPenalty, presencePenalty, frequencyPenalty } = this.options;
    return temperature === 0 && repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0;
  }

  /** Counts a token as part of the answer that was chosen elsewhere. */
  take(id: number): void {
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    if (this.options.repetitionPenalty !== 1) this.seen.add(id);
  }

  private penalise(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.options;
    for (const id of this.seen) {
      logits[id] = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty;
    }
    if (presencePenalty === 0 && frequencyPenalty === 0) return;
    for (const [id, times] of this.counts) logits[id] -= presencePenalty + frequencyPenalty * times;
  }

  private draw(logits: Float32Array): number {
    const { temperature, topK, topP } = this.options;
    const order = topCandidates(logits, topK > 0 ? Math.min(topK, logits.length) : logits.length);
    const highest = logits[order[0]];
    const weights = Float64Array.from(order, (id) => Math.exp((logits[id] - highest) / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let kept = 0;
    let mass = 0;
    while (kept < order.length && mass < topP * total) mass += weights[kept++];
    if (kept === 0) mass = weights[kept++];
    let point = this.random.next() * mass;
    for (let i = 0; i < kept; i++) {
      point -= weights[i];
      if (point < 0) return order[i];
    }
    return order[kept - 1];
  }
}

/** The `count` likeliest tokens that are possible, with their log-probabilities, and the chosen one's. */
export function logprobs(
  logits: Float32Array,
  chosen: number,
  count: number,
): { chosen: TokenLogprob; top: TokenLogprob[] } {
  let highest = -Infinity;
  for (const value of logits) highest = Math.max(highest, value);
  let total = 0;
  for (const value of logits) total += Math.exp(value - highest);
  const offset = highest + Math.log(total);
  const entry = (id: number): TokenLogprob => ({ id, logprob: logits[id] - offset });
  // What a constraint has forbidden has no logarithm.
  const top = Array.from(topCandidates(logits, count), entry).filter(({ logprob }) => logprob > -Infinity);
  return { chosen: entry(chosen), top };
}

/** @returns the position of the largest value, the first of equals */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** Ids by falling logit, the lower id first among equals. */
function topCandidates(logits: Float32Array, count: number): Int32Array {
  const descending = (a: number, b: number): number => logits[b] - logits[a] || a - b;
  if (count >= logits.length) return Int32Array.from(logits.keys()).sort(descending);
  // A few of many: keep a sorted short list instead of sorting the vocabulary.
  const top: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (top.length === count && logits[id] <= logits[top[count - 1]]) continue;
    let at = top.length;
    while (at > 0 && logits[id] > logits[top[at - 1]]) at--;
    top.splice(at, 0, id);
    if (top.length > count) top.pop();
  }
  return Int32Array.from(top);
}

/** @throws RangeError for an option outside of its range, with the range */
export function validateSampling(options: SamplingOptions): void {
  const inRange = (name: keyof SamplingOptions, low: number, high: number): void => {
    const value = options[name];
    if (!(value >= low && value <= high))
      throw new RangeError(`${name} must be between ${low} and ${high}, got ${value}`);
  };
  inRange('temperature', 0, 2);
  inRange('topP', 0, 1);
  inRange('topK', 0, Number.MAX_SAFE_INTEGER);
  inRange('repetitionPenalty', 0.01, 100);
  inRange('presencePenalty', -2, 2);
  inRange('frequencyPenalty', -2, 2);
}
