import { modelQueue } from '@madakv/contracts';
import type { OpenModel } from '@madakv/models';
import type { Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { BullModule } from '@nestjs/bullmq';
import { Inject, Injectable, Logger, Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { BudgetWatch } from '../lease/budget.watch.js';
import { prepareOptions, RequestPreparer, ServedCache } from '../prepare/index.js';
import { modelIdOf, type WorkerSettings } from '../worker.settings.js';
import { IntakeGate } from './intake.gate.js';
import { PrepareProcessor } from './prepare.processor.js';
import { queueConsumer, type QueueConsumer } from './queue.consumer.js';
import { RequestBodyReader } from './request.body.reader.js';
import { listen } from './request.consumer.js';
import { RequestJobRunner } from './request.job.runner.js';
import { MODEL, RECORDS, STORE } from './worker.tokens.js';

const CONSUMER = Symbol('prepare consumer');

/** Takes prepare jobs of this worker's model. */
@Injectable()
export class PrepareRole implements OnApplicationBootstrap {
  readonly gate = new IntakeGate([], (error) => {
    this.log.error(String(error));
  });
  private readonly log = new Logger('Prepare');

  constructor(
    @Inject(CONSUMER) readonly consumer: QueueConsumer,
    @Inject(RequestPreparer) readonly preparer: RequestPreparer,
    @Inject(RequestJobRunner) private readonly runner: RequestJobRunner,
  ) {}

  onApplicationBootstrap(): void {
    listen(this.consumer.worker, this.runner, 'prepare');
    this.gate.attach(this.consumer.worker);
  }
}

@Module({})
export class PrepareRoleModule {
  static register(settings: WorkerSettings): DynamicModule {
    const queue = modelQueue('prepare', modelIdOf(settings));
    const Consumer = queueConsumer({
      queue,
      concurrency: settings.MADAKV_PREPARE_CONCURRENCY,
      lockMs: settings.MADAKV_LOCK_MS,
      stalledMs: settings.MADAKV_STALLED_MS,
    });
    return {
      module: PrepareRoleModule,
      imports: [BullModule.registerQueue({ name: queue })],
      providers: [
        PrepareRole,
        {
          provide: RequestPreparer,
          useFactory: (model: OpenModel, store: FileStore, { files, models }: Records) => {
            const cache = new ServedCache(models, modelIdOf(settings));
            return new RequestPreparer({ model, store, files, cache, options: prepareOptions(settings) });
          },
          inject: [MODEL, STORE, RECORDS],
        },
        {
          provide: CONSUMER,
          useFactory: (
            runner: RequestJobRunner,
            preparer: RequestPreparer,
            store: FileStore,
            budget: BudgetWatch,
          ): QueueConsumer =>
            new Consumer(
              new PrepareProcessor({
                runner,
                preparer,
                store,
                budget,
                bodies: new RequestBodyReader(store),
                log: new Logger('Prepare'),
              }),
            ),
          inject: [RequestJobRunner, RequestPreparer, STORE, BudgetWatch],
        },
      ],
      exports: [PrepareRole],
    };
  }
}
