import { BudgetClient } from '@madakv/budget-client';
import { freshRowBytes, kvGeometry } from '@madakv/engine';
import { openModel, type OpenModel } from '@madakv/models';
import { JobQueues, queueTelemetry } from '@madakv/queue';
import { connectRedis, Records } from '@madakv/records';
import { openFileStore, type FileStore } from '@madakv/storage';
import { currentTraceparent } from '@madakv/telemetry';
import { BullModule } from '@nestjs/bullmq';
import { Logger, Module, type DynamicModule, type Provider } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { BudgetWatch } from '../lease/budget.watch.js';
import { QueuedDemand } from '../lease/queued.demand.js';
import { OutcomeWriter } from '../outcome/outcome.writer.js';
import { modelIdOf, workerIdOf, type WorkerSettings } from '../worker.settings.js';
import { AttemptSettler } from './attempt.settler.js';
import { CancellationWatch } from './cancellation.watch.js';
import { pageTokens } from '../model/page.tokens.js';
import { ModelHeartbeat } from './model.heartbeat.js';
import { RequestJobRunner } from './request.job.runner.js';
import { RunningRequests } from './running.requests.js';
import {
  MODEL,
  HOOKS,
  OUTCOMES,
  RECORDS,
  REDIS,
  SETTINGS,
  STORE,
  SUBSCRIBER,
  type WorkerHooks,
} from './worker.tokens.js';

/** What all roles share. */
@Module({})
export class WorkerCoreModule {
  static register(settings: WorkerSettings, hooks: WorkerHooks): DynamicModule {
    const redis = openRedis(settings, 'worker');
    const warn = (error: unknown): void => {
      new Logger('Redis').warn((error as Error).message);
    };
    const providers: Provider[] = [
      { provide: SETTINGS, useValue: settings },
      { provide: HOOKS, useValue: hooks },
      { provide: REDIS, useValue: redis },
      { provide: SUBSCRIBER, useFactory: () => openRedis(settings, 'subscriber') },
      { provide: RECORDS, useFactory: () => new Records(redis, settings.MADAKV_KEY_PREFIX) },
      { provide: STORE, useFactory: () => openFileStore(settings.MADAKV_STORAGE) },
      {
        provide: BudgetClient,
        useFactory: () =>
          new BudgetClient({ address: settings.MADAKV_BUDGET_ADDRESS, traceparent: currentTraceparent }),
      },
      { provide: BudgetWatch, useFactory: (client: BudgetClient) => new BudgetWatch(client), inject: [BudgetClient] },
      { provide: QueuedDemand, useFactory: (budget: BudgetWatch) => new QueuedDemand(budget), inject: [BudgetWatch] },
      {
        provide: OUTCOMES,
        useFactory: (store: FileStore, { outcomes, events, activity }: Records) =>
          new OutcomeWriter(store, outcomes, events, activity),
        inject: [STORE, RECORDS],
      },
      {
        provide: RunningRequests,
        useFactory: ({ cancellations }: Records) => new RunningRequests(cancellations),
        inject: [RECORDS],
      },
      {
        provide: CancellationWatch,
        useFactory: (
          { cancellations }: Records,
          subscriber: Redis,
          running: RunningRequests,
          demand: QueuedDemand,
        ): CancellationWatch => new CancellationWatch(cancellations, subscriber, { running, demand }, warn),
        inject: [RECORDS, SUBSCRIBER, RunningRequests, QueuedDemand],
      },
      {
        provide: JobQueues,
        useFactory: () =>
          new JobQueues({ connection: redis, prefix: settings.MADAKV_KEY_PREFIX, telemetry: queueTelemetry() }),
      },
      {
        provide: AttemptSettler,
        useFactory: (outcomes: OutcomeWriter, demand: QueuedDemand) =>
          new AttemptSettler(outcomes, new Logger('Requests'), workerIdOf(settings), ({ requestId }) => {
            demand.withdraw(requestId);
          }),
        inject: [OUTCOMES, QueuedDemand],
      },
      {
        provide: RequestJobRunner,
        useFactory: (
          outcomes: OutcomeWriter,
          running: RunningRequests,
          settler: AttemptSettler,
          queues: JobQueues,
          { crashes }: Records,
        ): RequestJobRunner => new RequestJobRunner(outcomes, running, settler, queues, crashes),
        inject: [OUTCOMES, RunningRequests, AttemptSettler, JobQueues, RECORDS],
      },
    ];
    if (settings.MADAKV_MODEL !== '') providers.push(...modelProviders(settings, warn));
    return {
      module: WorkerCoreModule,
      global: true,
      imports: [
        BullModule.forRoot({ connection: redis, prefix: settings.MADAKV_KEY_PREFIX, telemetry: queueTelemetry() }),
      ],
      providers,
      exports: providers,
    };
  }
}

function modelProviders(settings: WorkerSettings, warn: (error: unknown) => void): Provider[] {
  return [
    {
      provide: MODEL,
      // What a document says must not end its turn; the engine opens the model likewise.
      useFactory: () => openModel(settings.MADAKV_MODEL, { specialTokensInText: 'text' }),
    },
    {
      provide: ModelHeartbeat,
      useFactory: ({ models }: Records, model: OpenModel) => {
        const { family, decoder } = model.config;
        const page = pageTokens(model, settings.MADAKV_PAGE_DPI);
        const kvBytesPerToken = decoder.layers * freshRowBytes(kvGeometry(decoder, 'cpu', 'fp32'));
        const { maxPositions } = decoder;
        const record = { id: modelIdOf(settings), family, maxPositions, kvBytesPerToken };
        return new ModelHeartbeat(models, { ...record, ...(page === undefined ? {} : { pageTokens: page }) }, warn);
      },
      inject: [RECORDS, MODEL],
    },
  ];
}

/** BullMQ's workers want commands that wait for Redis to come back. */
function openRedis(settings: WorkerSettings, purpose: string): Redis {
  const log = new Logger('Redis');
  const name = `madakv-${purpose}:${workerIdOf(settings)}`;
  return connectRedis(settings.MADAKV_REDIS_URL, { name, maxRetriesPerRequest: null }, (error) => {
    log.warn(`no connection: ${error.message}`);
  });
}
