import type { Job } from './job.model.js';

export interface JobKind {
  readonly kind: string;
  readonly promptTokens: number;
  readonly answerTokens: number;
}

/** Jobs that come by themselves, so many an hour in each hour of the day. */
export interface Stream extends JobKind {
  readonly perHour: readonly number[];
}

/** Jobs that come together at an hour of the day, such as the lines of a batch. */
export interface Burst extends JobKind {
  readonly hour: number;
  readonly jobs: number;
}

const HOUR = 3_600;

/**
 * A day's jobs, by arrival. Streams are Poisson processes whose rate changes linearly from the middle of one hour to that of the next;
 * prompts vary by a quarter to both sides.
 *
 * @param random uniform in [0, 1)
 */
export function dayOfJobs(streams: readonly Stream[], bursts: readonly Burst[], random: () => number): Job[] {
  const jobs: Job[] = [];
  const add = (arrival: number, { kind, promptTokens, answerTokens }: JobKind): void => {
    jobs.push({ arrival, kind, promptTokens: Math.round(promptTokens * (0.75 + 0.5 * random())), answerTokens });
  };
  for (const stream of streams) {
    const most = Math.max(...stream.perHour);
    // Thinning: events of the highest rate, of which the rate's share is kept.
    for (let at = gap(most, random); at < 24 * HOUR; at += gap(most, random)) {
      if (random() * most < rateAt(stream.perHour, at / HOUR)) add(at, stream);
    }
  }
  for (const burst of bursts) for (let i = 0; i < burst.jobs; i++) add(burst.hour * HOUR, burst);
  return jobs.sort((a, b) => a.arrival - b.arrival);
}

/** Seconds until the next event of a Poisson process. */
function gap(perHour: number, random: () => number): number {
  return (-Math.log(1 - random()) * HOUR) / perHour;
}

/** Rate at an hour of the day, between the middles of two hours in proportion; midnight joins the ends. */
export function rateAt(perHour: readonly number[], hour: number): number {
  const shifted = hour - 0.5 + 24;
  const below = Math.floor(shifted);
  const part = shifted - below;
  return perHour[below % 24] * (1 - part) + perHour[(below + 1) % 24] * part;
}
