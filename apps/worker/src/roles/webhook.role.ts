import { WEBHOOK_QUEUE } from '@madakv/contracts';
import type { Records } from '@madakv/records';
import { BullModule } from '@nestjs/bullmq';
import { Inject, Injectable, Logger, Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { WebhookDeliverer, webhookOptions } from '../webhook/index.js';
import type { WorkerSettings } from '../worker.settings.js';
import { IntakeGate } from './intake.gate.js';
import { InterruptibleHandler } from './interruptible.handler.js';
import { queueConsumer, type QueueConsumer } from './queue.consumer.js';
import { RECORDS } from './worker.tokens.js';

const CONSUMER = Symbol('webhook consumer');
const HANDLER = Symbol('webhook handler');

/** Takes deliveries to webhooks. */
@Injectable()
export class WebhookRoleHost implements OnApplicationBootstrap {
  readonly gate = new IntakeGate([], (error) => {
    this.log.error(String(error));
  });
  private readonly log = new Logger('Webhooks');

  constructor(
    @Inject(CONSUMER) readonly consumer: QueueConsumer,
    @Inject(HANDLER) readonly handler: InterruptibleHandler,
  ) {}

  onApplicationBootstrap(): void {
    this.consumer.worker.on('error', (error) => {
      this.log.warn(error.message);
    });
    this.consumer.worker.on('failed', (job, error) => {
      this.log.warn(`${job?.id ?? 'a job'}: failed and is tried again: ${error.message}`);
    });
    this.gate.attach(this.consumer.worker);
  }
}

/** Goes with the role batch. */
@Module({})
export class WebhookRoleModule {
  static register(settings: WorkerSettings): DynamicModule {
    const Consumer = queueConsumer({
      queue: WEBHOOK_QUEUE,
      concurrency: settings.MADAKV_WEBHOOK_CONCURRENCY,
      lockMs: settings.MADAKV_LOCK_MS,
      stalledMs: settings.MADAKV_STALLED_MS,
      // An attempt can be repeated, and is never to blame for a worker's death.
      maxStalled: Number.MAX_SAFE_INTEGER,
    });
    return {
      module: WebhookRoleModule,
      imports: [BullModule.registerQueue({ name: WEBHOOK_QUEUE })],
      providers: [
        {
          provide: HANDLER,
          useFactory: (records: Records): InterruptibleHandler =>
            new InterruptibleHandler(new WebhookDeliverer({ records, ...webhookOptions(settings) })),
          inject: [RECORDS],
        },
        {
          provide: CONSUMER,
          useFactory: (handler: InterruptibleHandler): QueueConsumer => new Consumer(handler),
          inject: [HANDLER],
        },
        WebhookRoleHost,
      ],
      exports: [WebhookRoleHost],
    };
  }
}
