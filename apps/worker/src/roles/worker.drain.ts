import { setTimeout as pause } from 'node:timers/promises';
import { BudgetClient } from '@madakv/budget-client';
import { MadakvError } from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { Inject, Injectable, Logger, Optional, type BeforeApplicationShutdown } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { HealthServer } from '../health/health.server.js';
import { MemoryReport } from '../health/memory.report.js';
import { Readiness } from '../health/readiness.js';
import { WorkerReport } from '../health/worker.report.js';
import { BudgetWatch } from '../lease/budget.watch.js';
import type { WorkerSettings } from '../worker.settings.js';
import { BatchRoleHost } from './batch.role.js';
import { CancellationWatch } from './cancellation.watch.js';
import { GenerateRole } from './generate.role.js';
import { ModelHeartbeat } from './model.heartbeat.js';
import { PrepareRole } from './prepare.role.js';
import { RunningRequests } from './running.requests.js';
import { WebhookRoleHost } from './webhook.role.js';
import { REDIS, SETTINGS, SUBSCRIBER } from './worker.tokens.js';

/** Time for aborted requests to be handed back, in milliseconds. */
const HAND_BACK_MS = 10_000;

/**
 * Ends the worker in order: nothing new is taken; what runs may finish within the grace period and is handed back after it,
 * without having used an attempt; then leases are released, the device is free, and connections are closed.
 */
@Injectable()
export class WorkerDrain implements BeforeApplicationShutdown {
  private readonly log = new Logger('Drain');

  constructor(
    @Inject(SETTINGS) private readonly settings: WorkerSettings,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(HealthServer) private readonly health: HealthServer,
    @Inject(MemoryReport) private readonly memory: MemoryReport,
    @Inject(WorkerReport) private readonly report: WorkerReport,
    @Inject(RunningRequests) private readonly running: RunningRequests,
    @Inject(CancellationWatch) private readonly cancellations: CancellationWatch,
    @Inject(BudgetWatch) private readonly budget: BudgetWatch,
    @Inject(BudgetClient) private readonly client: BudgetClient,
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(SUBSCRIBER) private readonly subscriber: Redis,
    @Inject(JobQueues) private readonly queues: JobQueues,
    @Optional() @Inject(ModelHeartbeat) private readonly model?: ModelHeartbeat,
    @Optional() @Inject(BatchRoleHost) private readonly batch?: BatchRoleHost,
    @Optional() @Inject(WebhookRoleHost) private readonly webhooks?: WebhookRoleHost,
    @Optional() @Inject(PrepareRole) private readonly prepare?: PrepareRole,
    @Optional() @Inject(GenerateRole) private readonly generate?: GenerateRole,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    this.readiness.draining = true;
    await this.stopTaking();
    await this.generate?.close();
    this.prepare?.preparer.close();
    this.cancellations.close();
    this.model?.close();
    await this.report.close();
    this.budget.close();
    this.client.close();
    await this.queues.close();
    this.health.close();
    this.memory.close();
    this.subscriber.disconnect();
    this.redis.disconnect();
  }

  /** Resolves when no job runs here any more, or those that do could not be handed back. */
  private async stopTaking(): Promise<void> {
    const roles = [this.batch, this.webhooks, this.prepare, this.generate].filter((role) => role !== undefined);
    for (const { gate } of roles) gate.set('draining', true);
    const closed = Promise.all(roles.map(({ consumer }) => consumer.worker.close()));
    const graceMs = this.settings.MADAKV_GRACE_MS;
    this.log.log(`draining: ${this.running.size} requests run; they have ${graceMs} ms to finish`);
    if (await within(graceMs, closed)) return;
    this.log.warn(`${this.running.size} requests are handed back`);
    this.running.abortAll(new MadakvError('worker_stopping', 'the worker is stopping'));
    this.batch?.handler.stop();
    this.webhooks?.handler.stop();
    if (!(await within(HAND_BACK_MS, closed)))
      this.log.error('not all jobs could be handed back; their locks will end');
  }
}

/** @returns whether the work was done in time */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const patience = new AbortController();
  const late = pause(ms, false, { signal: patience.signal }).catch(() => false);
  const done = await Promise.race([work.then(() => true), late]);
  patience.abort();
  return done;
}
