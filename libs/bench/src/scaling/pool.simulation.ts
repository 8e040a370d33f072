import { Autoscaler, type AutoscalerSettings } from './autoscaler.js';
import { targetBytes, type Job, type WorkerModel } from './job.model.js';
import { SimulatedWorker } from './simulated.worker.js';

/** What decides how many workers there are. */
export type Scaling =
  | { readonly by: 'bytes' | 'jobs'; readonly settings: AutoscalerSettings }
  | { readonly by: 'nothing'; readonly replicas: number };

export interface PoolSample {
  readonly second: number;
  /** Workers that are paid for: starting, ready or ending. */
  readonly workers: number;
  /** Queued and held. */
  readonly demandBytes: number;
  readonly queuedJobs: number;
}

export interface PoolReport {
  readonly samples: readonly PoolSample[];
  readonly workerHours: number;
  readonly mostWorkers: number;
  /** Seconds from the arrival of each job until its last reading begins, in the order of their ends. */
  readonly waits: readonly number[];
  /** Times that a job was handed back by a worker that had to end. */
  readonly handedBack: number;
}

const HOUR = 3_600;

/**
 * A pool of workers that takes jobs for so many seconds and then until none is left, in steps of a second.
 *
 * @param jobs by arrival
 * @param sampleSeconds between two samples
 * @throws Error when jobs are left after as long again, which no setting that works comes near
 */
export function simulatePool(
  jobs: readonly Job[],
  model: WorkerModel,
  scaling: Scaling,
  { seconds, sampleSeconds }: { readonly seconds: number; readonly sampleSeconds: number },
): PoolReport {
  const autoscaler = scaling.by === 'nothing' ? undefined : new Autoscaler(scaling.settings);
  const queue: Job[] = [];
  const waits: number[] = [];
  const samples: PoolSample[] = [];
  let workers: SimulatedWorker[] = [];
  let [workerSeconds, mostWorkers, handedBack, next] = [0, 0, 0, 0];
  for (let at = 0; at < seconds || waits.length < jobs.length; at++) {
    if (at > 2 * seconds) throw new Error(`${jobs.length - waits.length} of ${jobs.length} jobs are not answered`);
    while (next < jobs.length && jobs[next].arrival <= at) queue.push(jobs[next++]);

    const queuedBytes = queue.reduce((sum, job) => sum + targetBytes(job, model), 0);
    const demandBytes = workers.reduce((sum, worker) => sum + worker.heldBytes, queuedBytes);
    const demandJobs = workers.reduce((sum, worker) => sum + worker.running.length, queue.length);
    const staying = workers.filter((worker) => !worker.isEnding);
    const wanted =
      scaling.by === 'nothing'
        ? scaling.replicas
        : (autoscaler?.replicas(at, scaling.by === 'bytes' ? demandBytes : demandJobs, staying.length) ?? 0);
    for (let i = staying.length; i < wanted; i++) workers.push(new SimulatedWorker(model, at));
    // A ReplicaSet ends what is not ready first, then the youngest; what they do it does not know.
    for (const worker of staying.slice(wanted)) worker.end(at);

    for (const worker of workers.filter((each) => each.isGone(at))) {
      // In front, with nothing of their progress.
      queue.unshift(...worker.running.map(({ job }) => job));
      handedBack += worker.running.length;
    }
    workers = workers.filter((worker) => !worker.isGone(at));
    for (const worker of workers) {
      while (queue.length > 0 && worker.isReady(at) && worker.take(queue[0])) queue.shift();
    }
    for (const worker of workers) {
      for (const { job, prefillBegan = at } of worker.work(at)) waits.push(prefillBegan - job.arrival);
    }
    if (at < seconds) {
      workerSeconds += workers.length;
      mostWorkers = Math.max(mostWorkers, workers.length);
      if (at % sampleSeconds === 0) {
        samples.push({ second: at, workers: workers.length, demandBytes, queuedJobs: queue.length });
      }
    }
  }
  return { samples, workerHours: workerSeconds / HOUR, mostWorkers, waits, handedBack };
}
