import type { Redis } from 'ioredis';
import { ActivityRepository } from './activity.repository.js';
import { AnswerEventWriter } from './answer.events.js';
import { BatchRepository } from './batch.repository.js';
import { Cancellations } from './cancellations.js';
import { CrashCounter } from './crash.counter.js';
import { FairShares } from './fair.shares.js';
import { FileRepository } from './file.repository.js';
import { ModelRegistry } from './model.registry.js';
import { OutcomeRepository } from './outcome.repository.js';
import { RecordKeys } from './record.keys.js';
import { ResidentDocuments } from './resident.documents.js';
import { SessionRepository } from './session.repository.js';
import { UploadRepository } from './upload.repository.js';
import { TokenQuota } from './token.quota.js';
import { UsageRepository } from './usage.repository.js';
import { WebhookDeliveries } from './webhook.deliveries.js';
import { WebhookRepository } from './webhook.repository.js';
import { WorkerRegistry } from './worker.registry.js';

/** All records over one connection. */
export class Records {
  readonly keys: RecordKeys;
  readonly files: FileRepository;
  readonly uploads: UploadRepository;
  readonly batches: BatchRepository;
  readonly outcomes: OutcomeRepository;
  readonly events: AnswerEventWriter;
  readonly cancellations: Cancellations;
  readonly models: ModelRegistry;
  readonly shares: FairShares;
  readonly crashes: CrashCounter;
  readonly residents: ResidentDocuments;
  readonly activity: ActivityRepository;
  readonly workers: WorkerRegistry;
  readonly sessions: SessionRepository;
  readonly webhooks: WebhookRepository;
  readonly deliveries: WebhookDeliveries;
  readonly quota: TokenQuota;
  readonly usage: UsageRepository;

  constructor(
    readonly redis: Redis,
    prefix: string,
  ) {
    this.keys = new RecordKeys(prefix);
    this.files = new FileRepository(redis, this.keys);
    this.uploads = new UploadRepository(redis, this.keys);
    this.batches = new BatchRepository(redis, this.keys);
    this.outcomes = new OutcomeRepository(redis, this.keys);
    this.events = new AnswerEventWriter(redis, this.keys);
    this.cancellations = new Cancellations(redis, this.keys);
    this.models = new ModelRegistry(redis, this.keys);
    this.shares = new FairShares(redis, this.keys);
    this.crashes = new CrashCounter(redis, this.keys);
    this.residents = new ResidentDocuments(redis, this.keys);
    this.activity = new ActivityRepository(redis, this.keys);
    this.workers = new WorkerRegistry(redis, this.keys);
    this.sessions = new SessionRepository(redis, this.keys);
    this.webhooks = new WebhookRepository(redis, this.keys);
    this.deliveries = new WebhookDeliveries(redis, this.keys);
    this.quota = new TokenQuota(redis, this.keys);
    this.usage = new UsageRepository(redis, this.keys);
  }
}
