import { z } from 'zod';
import type { LuaScripts } from './lua.scripts.js';

const Queued = z.tuple([z.coerce.number(), z.int()]);

/** Jobs that wait in the queue, and the bytes that each will ask for. */
export class DemandRepository {
  private readonly keys: string[];

  constructor(
    private readonly scripts: LuaScripts,
    prefix: string,
    private readonly ttlMs: number,
  ) {
    this.keys = ['jobs', 'expiries', 'total'].map((key) => `${prefix}:{demand}:${key}`);
  }

  /** 0 bytes withdraws the job. */
  async publish(jobId: string, bytes: number): Promise<void> {
    await this.scripts.run('publish_demand', this.keys, [jobId, bytes, this.ttlMs]);
  }

  async queued(): Promise<{ bytes: number; jobs: number }> {
    const [bytes, jobs] = Queued.parse(await this.scripts.run('query_demand', this.keys));
    return { bytes, jobs };
  }
}
