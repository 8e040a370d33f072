/** A request in the simulation: what it asks of a worker. */
export interface Job {
  /** Seconds after the start. */
  readonly arrival: number;
  readonly kind: string;
  readonly promptTokens: number;
  readonly answerTokens: number;
}

/** What a worker of a model does, as it was measured. */
export interface WorkerModel {
  /** Of the prompt, for each token that is kept. */
  readonly bytesPerToken: number;
  readonly layers: number;
  /** Share of the cache that is kept. */
  readonly cacheRatio: number;
  readonly deviceBytes: number;
  /** Requests at a time. */
  readonly concurrency: number;
  readonly prefillTokensPerSecond: number;
  /** Tokens that prefill reads between two decode steps. */
  readonly chunkTokens: number;
  /** Of one decode step of all running requests. */
  readonly stepSeconds: number;
  /** From the decision to start a worker until it takes jobs. */
  readonly startSeconds: number;
  /** After it is told to end, until it hands back what is not finished. */
  readonly graceSeconds: number;
}

/** Bytes that a request keeps after its prefill, which is what it states as its demand. */
export function targetBytes({ promptTokens }: Job, { bytesPerToken, cacheRatio }: WorkerModel): number {
  return Math.round(promptTokens * bytesPerToken * cacheRatio);
}

/** Bytes that it holds during its prefill: one layer's full cache beside what is kept. */
export function peakBytes(job: Job, model: WorkerModel): number {
  return targetBytes(job, model) + Math.round((job.promptTokens * model.bytesPerToken) / model.layers);
}
