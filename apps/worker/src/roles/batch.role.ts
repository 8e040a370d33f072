import { BATCH_QUEUE } from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import type { Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { BullModule } from '@nestjs/bullmq';
import { Inject, Injectable, Logger, Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { BatchRole } from '../batch/index.js';
import { QueuedDemand } from '../lease/queued.demand.js';
import type { WorkerSettings } from '../worker.settings.js';
import { IntakeGate } from './intake.gate.js';
import { InterruptibleHandler } from './interruptible.handler.js';
import { queueConsumer, type QueueConsumer } from './queue.consumer.js';
import { RECORDS, STORE } from './worker.tokens.js';

const CONSUMER = Symbol('batch consumer');

/** Runs steps of batches. */
export class BatchHandler extends InterruptibleHandler {
  constructor(readonly role: Pick<BatchRole, 'process' | 'start'>) {
    super(role);
  }
}

/** Takes batch jobs. */
@Injectable()
export class BatchRoleHost implements OnApplicationBootstrap {
  readonly gate = new IntakeGate([], (error) => {
    this.log.error(String(error));
  });
  private readonly log = new Logger('Batch');

  constructor(
    @Inject(CONSUMER) readonly consumer: QueueConsumer,
    @Inject(BatchHandler) readonly handler: BatchHandler,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.handler.role.start();
    this.consumer.worker.on('error', (error) => {
      this.log.warn(error.message);
    });
    this.consumer.worker.on('failed', (job, error) => {
      this.log.warn(`${job?.id ?? 'a job'}: failed and is tried again: ${error.message}`);
    });
    this.gate.attach(this.consumer.worker);
  }
}

@Module({})
export class BatchRoleModule {
  static register(settings: WorkerSettings): DynamicModule {
    const Consumer = queueConsumer({
      queue: BATCH_QUEUE,
      concurrency: settings.MADAKV_BATCH_CONCURRENCY,
      lockMs: settings.MADAKV_LOCK_MS,
      stalledMs: settings.MADAKV_STALLED_MS,
      // Its steps can be repeated, and only lines are ever to blame for a worker's death.
      maxStalled: Number.MAX_SAFE_INTEGER,
    });
    return {
      module: BatchRoleModule,
      imports: [BullModule.registerQueue({ name: BATCH_QUEUE })],
      providers: [
        {
          provide: BatchHandler,
          useFactory: (records: Records, queues: JobQueues, store: FileStore, demand: QueuedDemand): BatchHandler => {
            const onUnanswered = (requestId: string): void => {
              demand.withdraw(requestId);
            };
            return new BatchHandler(new BatchRole({ records, queues, store, settings, onUnanswered }));
          },
          inject: [RECORDS, JobQueues, STORE, QueuedDemand],
        },
        {
          provide: CONSUMER,
          useFactory: (handler: BatchHandler): QueueConsumer => new Consumer(handler),
          inject: [BatchHandler],
        },
        BatchRoleHost,
      ],
      exports: [BatchRoleHost],
    };
  }
}
