/** Redis keys of the records. Nothing else builds them. */
export class RecordKeys {
  constructor(private readonly prefix: string) {}

  file = (id: string): string => `${this.prefix}:file:${id}`;
  files = (tenant: string): string => `${this.prefix}:files:${tenant}`;
  /** Sorted set: ids of files that expire, by seconds since 1970. */
  expiringFiles = (): string => `${this.prefix}:files-expiring`;
  upload = (id: string): string => `${this.prefix}:upload:${id}`;
  /** Hash: part -> bytes, as long as the upload is pending; empty name: that it is. */
  uploadParts = (id: string): string => `${this.prefix}:upload-parts:${id}`;
  /** Sorted set: ids of uploads that are pending, or have left what is not cleared, by the seconds since 1970 when they are due. */
  pendingUploads = (): string => `${this.prefix}:uploads-pending`;
  batch = (id: string): string => `${this.prefix}:batchrecord:${id}`;
  batches = (tenant: string): string => `${this.prefix}:batches:${tenant}`;
  /** Set: ids of batches that have not ended. */
  openBatches = (): string => `${this.prefix}:batches-open`;
  /** Set: ids of batches that have ended and that nobody was told of yet. */
  unannouncedBatches = (): string => `${this.prefix}:batches-unannounced`;
  /** Hash: id -> WebhookRecord. */
  webhooks = (tenant: string): string => `${this.prefix}:webhooks:${tenant}`;
  webhookDelivery = (id: string): string => `${this.prefix}:webhook-delivery:${id}`;
  unstartedDeliveries = (): string => `${this.prefix}:webhook-deliveries-unstarted`;
  webhookDeliveries = (webhookId: string): string => `${this.prefix}:webhook-deliveries:${webhookId}`;
  /** Hash: line -> LineOutcome. */
  lineOutcomes = (batchId: string): string => `${this.prefix}:outcomes:${batchId}`;
  /** Hash: how many lines have come to which outcome, their tokens, and whether the batch is closed. */
  lineCounts = (batchId: string): string => `${this.prefix}:counts:${batchId}`;
  outcome = (requestId: string): string => `${this.prefix}:outcome:${requestId}`;
  /** List of a request's events; also the channel that announces them. */
  events = (requestId: string): string => `${this.prefix}:events:${requestId}`;
  cancelled = (id: string): string => `${this.prefix}:cancelled:${id}`;
  /** Channel. */
  cancellations = (): string => `${this.prefix}:cancellations`;
  models = (): string => `${this.prefix}:models`;
  /** Hash of virtual times; see FairShares. */
  shares = (model: string): string => `${this.prefix}:shares:${model}`;
  /** Sorted set: workers that hold a document, by when that ends. */
  residents = (model: string, documentKey: string): string => `${this.prefix}:resident:${model}:${documentKey}`;
  crashes = (requestId: string): string => `${this.prefix}:crashes:${requestId}`;
  /** List: when work began that did not end, in milliseconds since 1970. */
  begun = (requestId: string): string => `${this.prefix}:begun:${requestId}`;
  /** Hash of one hour's counts. @param tenant `*`: of all, a name that no tenant has */
  activity = (tenant: string, hour: number): string => `${this.prefix}:activity:${tenant}:${hour}`;
  /** Hash: bytes of the caches of a batch's answers. */
  batchCache = (batchId: string): string => `${this.prefix}:batch-cache:${batchId}`;
  /** List: the requests of a tenant that ended last. */
  recentRequests = (tenant: string): string => `${this.prefix}:recent:${tenant}`;
  /** Hash: worker -> WorkerRecord. */
  workers = (): string => `${this.prefix}:workers`;
  /** Hash of one hour: what devices held. */
  deviceHistory = (hour: number): string => `${this.prefix}:device-history:${hour}`;
  /** Hash of one day (UTC, counted from 1970): what requests that were accepted on it came to. @param tenant `*`: of all, by tenant */
  usage = (tenant: string, day: number): string => `${this.prefix}:usage:${tenant}:${day}`;
  /** Hash: request or batch -> tokens that are reserved for it, and the day. */
  reservations = (tenant: string): string => `${this.prefix}:token-reservations:${tenant}`;
  /** Hash: sums of the reservations, by day and of all. */
  reservedTokens = (tenant: string): string => `${this.prefix}:token-reserved:${tenant}`;
  /** Sorted set: reservations by when they lapse, in milliseconds since 1970. */
  reservationLapses = (tenant: string): string => `${this.prefix}:token-lapses:${tenant}`;
  session = (digest: string): string => `${this.prefix}:session:${digest}`;
  sessionLink = (digest: string): string => `${this.prefix}:session-link:${digest}`;
}
