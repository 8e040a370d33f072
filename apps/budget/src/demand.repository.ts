import { z } from 'zod';
import type { LuaScripts } from './lua.scripts.js';

const Pairs = z.array(z.string());
const Queued = z.tuple([Pairs, Pairs]);

/** What one of several models' jobs ask for, or all together. */
export interface QueuedDemand {
  readonly bytes: number;
  readonly jobs: number;
}

export interface PublishedDemand {
  readonly jobId: string;
  /** 0 withdraws the job. */
  readonly bytes: number;
  /** Empty where it is not known: the job then counts for every model. */
  readonly model: string;
}

/** Jobs that wait in the queue, and the bytes that each will ask for. */
export class DemandRepository {
  private readonly keys: string[];

  constructor(
    private readonly scripts: LuaScripts,
    prefix: string,
    private readonly ttlMs: number,
  ) {
    this.keys = ['jobs', 'expiries', 'models', 'bytes', 'counts'].map((key) => `${prefix}:{demand}:${key}`);
  }

  async publish({ jobId, bytes, model }: PublishedDemand): Promise<void> {
    await this.scripts.run('publish_demand', this.keys, [jobId, bytes, this.ttlMs, model, '']);
  }

  /** States it for `ttlMs`, unless something is stated for the job already. */
  async publishAbsent({ jobId, bytes, model }: PublishedDemand, ttlMs: number): Promise<void> {
    const arguments_ = [jobId, bytes, Math.min(ttlMs, this.ttlMs), model, 'absent'];
    await this.scripts.run('publish_demand', this.keys, arguments_);
  }

  /** @param model empty: of all jobs; else of those that wait for this model, or do not say for which */
  async queued(model = ''): Promise<QueuedDemand> {
    const [bytes, jobs] = Queued.parse(await this.scripts.run('query_demand', this.keys));
    return { bytes: sumOf(bytes, model), jobs: sumOf(jobs, model) };
  }
}

function sumOf(pairs: readonly string[], model: string): number {
  let sum = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    if (model === '' || pairs[i] === model || pairs[i] === '') sum += Number(pairs[i + 1]);
  }
  return sum;
}
