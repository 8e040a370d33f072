import { MadakvError, type BatchJob, type BatchRecord } from '@madakv/contracts';
import { hasEnded, type BatchRepository } from './batch.repository.js';
import type { Cancellations } from './cancellations.js';

/** What a batch's end needs of the queues; `JobQueues` of libs/queue has it. */
export interface BatchLines {
  /** Takes out of the queues what nobody works on yet. */
  removeWaitingLines(batchId: string): Promise<void>;
  /** Sees to it that the batch's job is there and will run. */
  resumeBatch(job: BatchJob): Promise<void>;
}

/**
 * Ends batches before their time. What waits in a queue is taken out at once, what runs ends at its next step, and what
 * is answered stays; the batch's job writes the files then. Each call can be repeated, and carries on what one that died
 * began.
 */
export class BatchControl {
  constructor(
    private readonly batches: BatchRepository,
    private readonly cancellations: Cancellations,
    private readonly lines: BatchLines,
    /** Milliseconds since 1970. */
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * @returns the batch, which is `cancelling` and soon `cancelled`
   * @throws MadakvError `not_found`, or `conflict` where it has ended or is about to
   */
  async cancel(tenant: string, batchId: string): Promise<BatchRecord> {
    if ((await this.batches.find(tenant, batchId)) === undefined) {
      throw new MadakvError('not_found', `there is no batch ${batchId}`);
    }
    const record = await this.batches.update(batchId, (found) => {
      const { status } = found.object;
      if (found.ending === 'cancelled' && !hasEnded(status)) return undefined;
      if (found.ending === 'expired' || (status !== 'validating' && status !== 'in_progress')) {
        const state = found.ending === 'expired' && !hasEnded(status) ? 'expiring' : status;
        throw new MadakvError('conflict', `batch ${batchId} cannot be cancelled: it is ${state}`);
      }
      const cancelling_at = Math.floor(this.now() / 1_000);
      return { ...found, ending: 'cancelled', object: { ...found.object, status: 'cancelling', cancelling_at } };
    });
    await this.carryOn(record);
    return record;
  }

  /** Ends a batch whose time is over, unless it has ended or is about to. */
  async expire(batchId: string): Promise<void> {
    const record = await this.batches.update(batchId, (found) => {
      const { status } = found.object;
      const runs = found.ending === null && (status === 'validating' || status === 'in_progress');
      return runs ? { ...found, ending: 'expired' } : undefined;
    });
    await this.carryOn(record);
  }

  /** Does again what ends a batch, and what keeps it going: a batch never waits for a job that is not there. */
  async carryOn({ tenant, ending, object }: BatchRecord): Promise<void> {
    if (hasEnded(object.status)) return;
    if (ending !== null) {
      await this.cancellations.cancel(object.id, ending);
      await this.lines.removeWaitingLines(object.id);
    }
    await this.lines.resumeBatch({ batchId: object.id, tenant });
  }
}
