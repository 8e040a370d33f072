import { basename } from 'node:path';
import { modelQueue } from '@madakv/contracts';
import type { Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { BullModule } from '@nestjs/bullmq';
import { Inject, Injectable, Logger, Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job } from 'bullmq';
import type { EngineCrash } from '../engine/engine.host.js';
import type { EngineInfo } from '../engine/engine.request.js';
import { ByteCache } from '../generate/byte.cache.js';
import { CrashGuard } from '../generate/crash.guard.js';
import { GenerateProcessor } from '../generate/generate.processor.js';
import { GroupTurns } from '../generate/group.turns.js';
import { Isolation } from '../generate/isolation.js';
import { PreparedReader } from '../generate/prepared.reader.js';
import { QuestionLeases } from '../generate/question.leases.js';
import { QuestionRunner } from '../generate/question.runner.js';
import { RequestAnswerer } from '../generate/request.answerer.js';
import { ResidentWatch } from '../generate/resident.watch.js';
import { BudgetWatch } from '../lease/budget.watch.js';
import { DeviceHeartbeat } from '../lease/device.heartbeat.js';
import { LeaseDesk } from '../lease/lease.desk.js';
import { QueuedDemand } from '../lease/queued.demand.js';
import { OutcomeWriter } from '../outcome/outcome.writer.js';
import {
  deviceIdOf,
  engineSettingsOf,
  GROUPED_REQUESTS,
  modelIdOf,
  workerIdOf,
  type WorkerSettings,
} from '../worker.settings.js';
import { IntakeGate } from './intake.gate.js';
import { ModelHeartbeat } from './model.heartbeat.js';
import { queueConsumer, type JobHandler, type QueueConsumer } from './queue.consumer.js';
import { listen } from './request.consumer.js';
import { RequestJobRunner } from './request.job.runner.js';
import { HOOKS, OUTCOMES, RECORDS, SETTINGS, STORE, type RunningEngine, type WorkerHooks } from './worker.tokens.js';

const CONSUMER = Symbol('generate consumer');
/**
 * Workers that may die while they hold one job. Far more than may die over it, which is counted for itself: most jobs that a
 * worker holds when it dies only wait for their turn.
 */
const MAX_STALLED = 50;
/** Stands between BullMQ's worker, which Nest makes at once, and the processor, which needs a loaded model. */
class GenerateHandler implements JobHandler {
  processor: GenerateProcessor | undefined;

  process(job: Job, token: string | undefined): Promise<unknown> {
    if (this.processor === undefined) throw new Error('the intake was opened before the model was loaded');
    return this.processor.process(job, token);
  }
}

/** How far the building of the model's graphs has come. */
export interface BuildProgress {
  readonly done: number;
  readonly total: number;
}

/** Takes generate jobs of this worker's model, once it is loaded. */
@Injectable()
export class GenerateRole implements OnApplicationBootstrap {
  readonly gate = new IntakeGate(['engine'], (error) => {
    this.log.error(String(error));
  });
  build: BuildProgress | undefined;
  private readonly log = new Logger('Generate');
  private readonly heartbeat: DeviceHeartbeat;
  private readonly residents: ResidentWatch;
  private starting: Promise<RunningEngine | undefined> = Promise.resolve(undefined);
  private engine: RunningEngine | undefined;
  private readonly pages: ByteCache;

  constructor(
    @Inject(CONSUMER) readonly consumer: QueueConsumer,
    @Inject(GenerateHandler) private readonly handler: GenerateHandler,
    @Inject(SETTINGS) private readonly settings: WorkerSettings,
    @Inject(RequestJobRunner) private readonly runner: RequestJobRunner,
    @Inject(RECORDS) private readonly records: Records,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(OUTCOMES) private readonly outcomes: OutcomeWriter,
    @Inject(BudgetWatch) private readonly budget: BudgetWatch,
    @Inject(QueuedDemand) private readonly demand: QueuedDemand,
    @Inject(ModelHeartbeat) private readonly modelHeartbeat: ModelHeartbeat,
    @Inject(HOOKS) private readonly hooks: WorkerHooks,
  ) {
    this.pages = new ByteCache(settings.MADAKV_IMAGE_CACHE_BYTES);
    this.heartbeat = new DeviceHeartbeat(budget, {
      deviceId: deviceIdOf(settings),
      workerId: workerIdOf(settings),
      capacityBytes: settings.MADAKV_DEVICE_CAPACITY_BYTES,
      model: modelIdOf(settings),
    });
    this.residents = new ResidentWatch(
      records.residents,
      { model: modelIdOf(settings), workerId: workerIdOf(settings) },
      (error) => {
        this.log.warn(`who holds which documents is not told: ${(error as Error).message}`);
      },
    );
    budget.onChange((reachable) => {
      this.gate.set('budget', !reachable);
      if (reachable) this.log.log('the memory-budget service is back');
      else this.log.warn('the memory-budget service is away: what runs goes on, nothing new is taken');
    });
  }

  get engineState(): RunningEngine['state'] {
    return this.engine?.state ?? 'starting';
  }

  /** What the engine's thread holds; undefined before it is there. */
  get engineMemory(): RunningEngine['memory'] | undefined {
    return this.engine?.memory;
  }

  /** What kept rows of the cache are; undefined before the engine is there. */
  get kvPrecision(): EngineInfo['kv']['precision'] | undefined {
    return this.engine?.state === 'ready' ? this.engine.info.kv.precision : undefined;
  }

  /** Encoded pages that are kept, in bytes. */
  get pageBytes(): number {
    return this.pages.bytes;
  }

  onApplicationBootstrap(): void {
    listen(this.consumer.worker, this.runner, 'generate');
    this.gate.attach(this.consumer.worker);
    this.starting = this.start().catch((error: unknown) => {
      this.hooks.onFatal(error as Error);
      return undefined;
    });
  }

  /** Frees the device. What still runs fails with `worker_stopping`. */
  async close(): Promise<void> {
    this.heartbeat.close();
    this.residents.close();
    await (await this.starting)?.close();
  }

  private async start(): Promise<RunningEngine> {
    const engine = await this.hooks.startEngine({
      settings: engineSettingsOf(this.settings),
      onResident: this.residents.changed,
      onBuild: (done, total) => {
        this.build = { done, total };
      },
      onCrash: (crash) => {
        this.crashed(crash);
      },
      onReady: () => {
        if (this.engine !== undefined) this.gate.set('engine', false);
      },
      onRestartFailed: (error) => {
        this.log.error(`the model cannot be loaded again: ${error.message}`);
      },
    });
    this.engine = engine;
    this.handler.processor = this.processorOf(engine);
    this.heartbeat.start();
    const { precision, onDevice } = engine.info.kv;
    this.modelHeartbeat.keeps({ precision, onDevice });
    this.gate.set('engine', false);
    this.log.log(`${modelIdOf(this.settings)} is ready on ${this.heartbeat.device.deviceId}`);
    return engine;
  }

  private crashed({ error, running }: EngineCrash): void {
    this.gate.set('engine', true);
    this.log.error(`the engine died over one of ${running.join(', ') || 'no requests'}: ${error.message}`);
  }

  private processorOf(engine: RunningEngine): GenerateProcessor {
    const { shares, events } = this.records;
    const crashes = new CrashGuard(this.records.crashes);
    const reader = new PreparedReader(this.store, this.pages);
    const { outcomes } = this;
    const workerId = workerIdOf(this.settings);
    return new GenerateProcessor({
      runner: this.runner,
      reader,
      engine,
      budget: this.budget,
      crashes,
      isolation: new Isolation(),
      groups: new GroupTurns(GROUPED_REQUESTS),
      demand: this.demand,
      residents: this.residents,
      holderWaitMs: this.settings.MADAKV_RESIDENT_WAIT_MS,
      leases: new QuestionLeases(new LeaseDesk(this.budget, this.heartbeat), () => engine.info.kv),
      answerer: new RequestAnswerer({
        questions: new QuestionRunner({ reader, engine, events, workerId }),
        outcomes,
        shares,
        crashes,
        systemFingerprint: () => basename(engine.info.builtDir),
      }),
    });
  }
}

@Module({})
export class GenerateRoleModule {
  static register(settings: WorkerSettings): DynamicModule {
    const queue = modelQueue('generate', modelIdOf(settings));
    const Consumer = queueConsumer({
      queue,
      concurrency: settings.MADAKV_CONCURRENCY,
      lockMs: settings.MADAKV_LOCK_MS,
      stalledMs: settings.MADAKV_STALLED_MS,
      maxStalled: MAX_STALLED,
    });
    return {
      module: GenerateRoleModule,
      imports: [BullModule.registerQueue({ name: queue })],
      providers: [
        GenerateHandler,
        {
          provide: CONSUMER,
          useFactory: (handler: GenerateHandler): QueueConsumer => new Consumer(handler),
          inject: [GenerateHandler],
        },
        GenerateRole,
      ],
      exports: [GenerateRole],
    };
  }
}
