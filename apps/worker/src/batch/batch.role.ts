import { BATCH_JOBS, type JobQueues } from '@madakv/queue';
import { BatchControl, type Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import type { Job } from 'bullmq';
import type { z } from 'zod';
import { BatchProcessor } from './batch.processor.js';
import type { BATCH_SETTINGS } from './batch.settings.js';
import { WebhookAnnouncer } from '../webhook/index.js';
import { Sweeper } from './sweeper.js';

const HOUR_MS = 3_600_000;

type BatchSettings = z.output<z.ZodObject<typeof BATCH_SETTINGS>> & { readonly MADAKV_GROUP: number };

export interface BatchRoleOptions {
  readonly records: Records;
  readonly queues: JobQueues;
  readonly store: FileStore;
  readonly settings: BatchSettings;
  /** Told of lines that were in the queues and have come to nothing. */
  readonly onUnanswered?: (requestId: string) => void;
}

/** Works on all jobs of the batch queue. Its steps can be repeated, so a stalled job may be taken up as often as it stalls. */
export class BatchRole {
  private readonly processor: BatchProcessor;
  private readonly sweeper: Sweeper;

  constructor(private readonly options: BatchRoleOptions) {
    const { records, queues, store, settings, onUnanswered } = options;
    this.processor = new BatchProcessor({
      records,
      queues,
      store,
      windowLines: settings.MADAKV_BATCH_WINDOW,
      groupLines: settings.MADAKV_GROUP,
      maxLineBytes: settings.MADAKV_BATCH_MAX_LINE_BYTES,
      ...(onUnanswered === undefined ? {} : { onUnanswered }),
    });
    this.sweeper = new Sweeper({
      records,
      store,
      control: new BatchControl(records.batches, records.cancellations, queues),
      announcer: new WebhookAnnouncer(records, queues),
      intervalMs: settings.MADAKV_SWEEP_INTERVAL_MS,
      documentCacheMs: settings.MADAKV_DOCUMENT_CACHE_HOURS * HOUR_MS,
      traceMs: settings.MADAKV_TRACE_DAYS * 24 * HOUR_MS,
    });
  }

  /** Sees to it that sweeps come. Every worker may call it. */
  async start(): Promise<void> {
    await this.options.queues.scheduleSweeps(this.options.settings.MADAKV_SWEEP_INTERVAL_MS);
  }

  /** A BullMQ processor. */
  async process(job: Job, token: string | undefined, signal?: AbortSignal): Promise<void> {
    if (job.name === BATCH_JOBS.sweep) await this.sweeper.sweep();
    else await this.processor.process(job, token, signal);
  }
}
