/** What scaling a pool of workers costs over a day, in simulation. Pure functions of their arguments. */
export { Autoscaler, wantedReplicas, type AutoscalerSettings } from './autoscaler.js';
export { dayOfJobs, rateAt, type Burst, type JobKind, type Stream } from './day.load.js';
export { peakBytes, targetBytes, type Job, type WorkerModel } from './job.model.js';
export { simulatePool, type PoolReport, type PoolSample, type Scaling } from './pool.simulation.js';
