import { SeededRandom } from '@madakv/testing';
import { describe, expect, it } from 'vitest';
import { Autoscaler, wantedReplicas, type AutoscalerSettings } from './autoscaler.js';
import { dayOfJobs, rateAt } from './day.load.js';
import { peakBytes, targetBytes, type Job, type WorkerModel } from './job.model.js';
import { simulatePool, type Scaling } from './pool.simulation.js';
import { SimulatedWorker } from './simulated.worker.js';

const SETTINGS: AutoscalerSettings = {
  target: 100,
  minReplicas: 0,
  maxReplicas: 20,
  pollingSeconds: 10,
  cooldownSeconds: 60,
  scaleDownWindowSeconds: 45,
  scaleDownPercent: 50,
};

/** Workers second by second under a metric. */
function follow(settings: AutoscalerSettings, seconds: number, metricAt: (second: number) => number): number[] {
  const autoscaler = new Autoscaler(settings);
  let replicas = settings.minReplicas;
  return Array.from({ length: seconds }, (_, at) => (replicas = autoscaler.replicas(at, metricAt(at), replicas)));
}

/** Seconds at which the number of workers changes, with what it becomes. */
function changesOf(replicas: readonly number[], before: number): [number, number][] {
  return replicas.flatMap((each, at): [number, number][] =>
    each === (replicas[at - 1] ?? before) ? [] : [[at, each]],
  );
}

describe('wantedReplicas', () => {
  it.each([
    // ceil(metric / target)
    [301, 100, 1, 4],
    [1_000, 100, 3, 10],
    [1, 100, 5, 1],
    [0, 100, 5, 0],
    // Within a tenth of the target: as many as there are.
    [330, 100, 3, 3],
    [331, 100, 3, 4],
    [270, 100, 3, 3],
    [269, 100, 4, 3],
  ])('of a metric of %i, %i a worker, with %i workers: %i', (metric, target, current, wanted) => {
    expect(wantedReplicas(metric, target, current)).toBe(wanted);
  });
});

describe('Autoscaler', () => {
  it('starts one at the next poll, then by the greater of four and twice as many every 15 seconds', () => {
    // At 10 KEDA sees it; at 15 ceil(2000 / 100) = 20, at most 1 + 4; at 30 at most 10; at 45 all 20.
    const replicas = follow(SETTINGS, 60, (at) => (at < 5 ? 0 : 2_000));
    expect(changesOf(replicas, 0)).toEqual([
      [10, 1],
      [15, 5],
      [30, 10],
      [45, 20],
    ]);
  });

  it('never has more than it may', () => {
    expect(Math.max(...follow({ ...SETTINGS, maxReplicas: 7 }, 120, () => 5_000))).toBe(7);
  });

  it('goes down to the most of its window, by half a minute, then to none after the cooldown', () => {
    // Up to 8 until 60; the last 8 that is wanted is that of 45, in the window until 90.
    const replicas = follow(SETTINGS, 400, (at) => (at < 60 ? 800 : at < 200 ? 100 : 0));
    expect(changesOf(replicas, 0)).toEqual([
      [0, 1],
      [15, 5],
      [30, 8],
      [90, 4],
      [150, 2],
      [210, 1],
      // Last active at 190.
      [250, 0],
    ]);
  });

  it('keeps what is told to be there at the least', () => {
    const replicas = follow({ ...SETTINGS, minReplicas: 2 }, 300, () => 0);
    expect(new Set(replicas)).toEqual(new Set([2]));
  });

  it('ends no worker for a pause that is shorter than the window', () => {
    const replicas = follow(SETTINGS, 300, (at) => (at >= 100 && at < 130 ? 50 : 500));
    expect(changesOf(replicas, 0)).toEqual([
      [0, 1],
      [15, 5],
    ]);
  });
});

/** Ten tokens a second, five bytes kept of each, and two more while they are read. */
const MODEL: WorkerModel = {
  bytesPerToken: 10,
  layers: 5,
  cacheRatio: 0.5,
  deviceBytes: 1_000,
  concurrency: 4,
  prefillTokensPerSecond: 10,
  chunkTokens: 10,
  stepSeconds: 0.25,
  startSeconds: 5,
  graceSeconds: 3,
};
const job = (arrival: number, promptTokens = 20, answerTokens = 4): Job => ({
  arrival,
  kind: 'k',
  promptTokens,
  answerTokens,
});

describe('a job', () => {
  it('keeps its share and holds one layer more while it is read', () => {
    expect(targetBytes(job(0), MODEL)).toBe(100);
    expect(peakBytes(job(0), MODEL)).toBe(140);
  });
});

describe('SimulatedWorker', () => {
  const workUntil = (worker: SimulatedWorker, seconds: number): number[] =>
    Array.from({ length: seconds }, (_, at) => at).flatMap((at) => worker.work(at).map(() => at));

  it('reads, then answers', () => {
    const worker = new SimulatedWorker(MODEL, 0);
    worker.take(job(0));
    // 20 tokens at 10 a second, then 4 steps of a quarter of a second.
    expect(workUntil(worker, 6)).toEqual([2]);
    expect(worker.heldBytes).toBe(0);
  });

  it('reads one after the other, in turns with a step of those that are answered', () => {
    const worker = new SimulatedWorker(MODEL, 0);
    worker.take(job(0, 20, 8));
    worker.take(job(0, 100, 4));
    // The first is read at 2 s; its 8 steps come with 8 chunks of a second each: 2 + 8 x 1.25 = 12 s. The second has 2 chunks left, then 4 steps: 15 s.
    expect(workUntil(worker, 20)).toEqual([11, 14]);
  });

  it('holds its peak until it is read, and takes no more than its memory', () => {
    const worker = new SimulatedWorker({ ...MODEL, deviceBytes: 279 }, 0);
    expect([worker.take(job(0)), worker.take(job(0))]).toEqual([true, false]);
    expect(worker.heldBytes).toBe(140);
    worker.work(0);
    worker.work(1);
    expect(worker.heldBytes).toBe(100);
    expect(worker.take(job(0))).toBe(true);
  });

  it('takes as many as it has places', () => {
    const worker = new SimulatedWorker(MODEL, 0);
    expect([0, 1, 2, 3, 4].map(() => worker.take(job(0)))).toEqual([true, true, true, true, false]);
  });

  it('is gone when it has ended what it can, or its grace time is over', () => {
    const [idle, busy] = [new SimulatedWorker(MODEL, 0), new SimulatedWorker(MODEL, 0)];
    busy.take(job(0, 130));
    for (const worker of [idle, busy]) worker.end(10);
    expect([idle.isGone(10), busy.isGone(12), busy.isGone(13)]).toEqual([true, false, true]);
  });
});

describe('simulatePool', () => {
  const run = (jobs: Job[], scaling: Scaling, model = MODEL): ReturnType<typeof simulatePool> =>
    simulatePool(jobs, model, scaling, { seconds: 300, sampleSeconds: 1 });

  it('answers with a fixed pool as soon as its workers have started', () => {
    const report = run([job(0), job(0)], { by: 'nothing', replicas: 1 });
    // Ready at 5; the second is read when the first is.
    expect(report.waits).toEqual([5, 7]);
    expect(report.workerHours).toBeCloseTo(300 / 3_600);
  });

  it('starts none for nothing, and scales to none again', () => {
    const settings = { ...SETTINGS, target: 1_000 };
    const report = run([job(12)], { by: 'bytes', settings });
    // Polled at 20, ready at 25, answered by 28; last seen active at 20, so none from 80 on.
    expect(report.waits).toEqual([13]);
    expect(report.samples.map(({ workers }) => workers).lastIndexOf(1)).toBe(79);
    expect(report.workerHours).toBeCloseTo(60 / 3_600);
  });

  it('goes by bytes further for a few long documents than for many short ones, and by jobs the other way round', () => {
    const long = Array.from({ length: 6 }, () => job(0, 130));
    const short = Array.from({ length: 24 }, () => job(0, 10));
    const most = (jobs: Job[], by: 'bytes' | 'jobs', target: number): number =>
      run(jobs, { by, settings: { ...SETTINGS, target } }).mostWorkers;
    expect(most(long, 'bytes', 1_000)).toBeGreaterThan(most(short, 'bytes', 1_000));
    expect(most(long, 'jobs', 4)).toBeLessThan(most(short, 'jobs', 4));
  });

  it('hands back what a worker cannot end in time, and answers it all the same', () => {
    // Ready at 5, the first is read until 18 and answered until 118. At 15 there is 910 + 650 to hold, so a second worker begins with the other
    // job at 20; at 120 one worker would hold what is left, and the younger has to go. The job begins anew when the grace time is over.
    const settings = { ...SETTINGS, target: 1_000, scaleDownWindowSeconds: 15 };
    const report = run([job(0, 130, 400), job(0, 130, 400)], { by: 'bytes', settings });
    expect(report).toMatchObject({ waits: [5, 123], handedBack: 1, mostWorkers: 2 });
  });

  it('fails where jobs can never be answered', () => {
    expect(() => run([job(0, 1_000_000)], { by: 'nothing', replicas: 1 })).toThrow('1 of 1 jobs are not answered');
  });
});

describe('dayOfJobs', () => {
  it('has its rates, its bursts, and the order of arrivals', () => {
    const perHour = Array.from({ length: 24 }, (_, hour) => (hour === 12 ? 600 : 60));
    const kind = { kind: 'receipt', promptTokens: 100, answerTokens: 1 };
    const burst = { kind: 'report', promptTokens: 1_000, answerTokens: 1, hour: 9.5, jobs: 7 };
    const jobs = dayOfJobs([{ ...kind, perHour }], [burst], new SeededRandom(1).next);
    const receipts = jobs.filter((each) => each.kind === 'receipt');
    // 23 x 60 + 600, with a deviation of its root.
    expect(Math.abs(receipts.length - 1_980)).toBeLessThan(3 * Math.sqrt(1_980));
    expect(jobs.filter((each) => each.kind === 'report').map(({ arrival }) => arrival)).toEqual(Array(7).fill(34_200));
    expect(jobs.map(({ arrival }) => arrival)).toEqual(jobs.map(({ arrival }) => arrival).toSorted((a, b) => a - b));
    expect(Math.min(...receipts.map((each) => each.promptTokens))).toBeGreaterThanOrEqual(75);
    expect(Math.max(...receipts.map((each) => each.promptTokens))).toBeLessThanOrEqual(125);
  });

  it('has rates that change from the middle of one hour to that of the next', () => {
    const perHour = Array.from({ length: 24 }, (_, hour) => hour);
    expect([rateAt(perHour, 1.5), rateAt(perHour, 2), rateAt(perHour, 0.25)]).toEqual([1, 1.5, 0.25 * 23 + 0.75 * 0]);
  });
});
