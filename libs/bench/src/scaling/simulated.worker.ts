import { peakBytes, targetBytes, type Job, type WorkerModel } from './job.model.js';

export interface RunningJob {
  readonly job: Job;
  /** Undefined until its prefill begins. */
  prefillBegan: number | undefined;
  prefillTokens: number;
  steps: number;
}

/**
 * A worker as the engine's scheduler works: prompts are read one after the other, in turns with one decode step of all that are
 * being answered, whose length does not depend on how many they are (docs/benchmarks/cpu.md, eight sequences). A job holds its peak
 * until it is read, then what is kept.
 */
export class SimulatedWorker {
  readonly running: RunningJob[] = [];
  /** Since when it is to end; what it does not finish in its grace time is handed back. */
  private endingSince: number | undefined;

  constructor(
    private readonly model: WorkerModel,
    readonly createdAt: number,
  ) {}

  isReady(at: number): boolean {
    return this.endingSince === undefined && at >= this.createdAt + this.model.startSeconds;
  }

  get heldBytes(): number {
    return this.running.reduce((sum, each) => sum + this.held(each), 0);
  }

  /** Takes the job if it has a place and its memory. */
  take(job: Job): boolean {
    const { concurrency, deviceBytes } = this.model;
    if (this.running.length >= concurrency || this.heldBytes + peakBytes(job, this.model) > deviceBytes) return false;
    this.running.push({ job, prefillBegan: undefined, prefillTokens: 0, steps: 0 });
    return true;
  }

  /** One second of work. @returns what was finished in it */
  work(at: number): RunningJob[] {
    const { chunkTokens, prefillTokensPerSecond, stepSeconds } = this.model;
    let left = 1;
    const done: RunningJob[] = [];
    while (left > 0) {
      const reading = this.running.find((each) => !isRead(each));
      const answering = this.running.filter(isRead);
      if (reading === undefined && answering.length === 0) break;
      if (reading !== undefined) reading.prefillBegan ??= at;
      // A turn is a chunk and a step, or whichever of the two there is to do; this much of one.
      const chunkSeconds = reading === undefined ? 0 : chunkTokens / prefillTokensPerSecond;
      const turnSeconds = chunkSeconds + (answering.length === 0 ? 0 : stepSeconds);
      const toRead =
        reading === undefined ? Infinity : (reading.job.promptTokens - reading.prefillTokens) / chunkTokens;
      const toAnswer = Math.min(Infinity, ...answering.map(({ job, steps }) => job.answerTokens - steps));
      const turns = Math.min(left / turnSeconds, toRead, toAnswer);
      left = turns === left / turnSeconds ? 0 : left - turns * turnSeconds;
      if (reading !== undefined) reading.prefillTokens += turns * chunkTokens;
      for (const each of answering) each.steps += turns;
      done.push(...this.leave());
    }
    return done;
  }

  end(at: number): void {
    this.endingSince ??= at;
  }

  get isEnding(): boolean {
    return this.endingSince !== undefined;
  }

  /** Whether it is gone by now: everything finished, or its grace time over. */
  isGone(at: number): boolean {
    if (this.endingSince === undefined) return false;
    return this.running.length === 0 || at - this.endingSince >= this.model.graceSeconds;
  }

  private leave(): RunningJob[] {
    const done = this.running.filter((each) => isRead(each) && each.steps >= each.job.answerTokens - EPSILON);
    for (const each of done) this.running.splice(this.running.indexOf(each), 1);
    return done;
  }

  private held(each: RunningJob): number {
    return isRead(each) ? targetBytes(each.job, this.model) : peakBytes(each.job, this.model);
  }
}

/** Sums of parts of turns come out at whole numbers only nearly. */
const EPSILON = 1e-6;

function isRead({ job, prefillTokens }: RunningJob): boolean {
  return prefillTokens >= job.promptTokens - EPSILON;
}
