import {
  batchEventId,
  webhookDeliveryId,
  type BatchObject,
  type WebhookEvent,
  type WebhookEventType,
} from '@madakv/contracts';
import type { JobQueues } from '@madakv/queue';
import type { Records } from '@madakv/records';

export type AnnouncerRecords = Pick<Records, 'batches' | 'webhooks' | 'deliveries'>;

/**
 * Starts the deliveries of a batch's end. That it is to be done stands in Redis from the step on that ended the batch, until it is done:
 * a call that dies can be repeated, and what it had begun is not begun twice.
 */
export class WebhookAnnouncer {
  constructor(
    private readonly records: AnnouncerRecords,
    private readonly queues: Pick<JobQueues, 'addDelivery'>,
  ) {}

  /** Does nothing for a batch that has not ended. */
  async announce(batchId: string): Promise<void> {
    const { batches, webhooks, deliveries } = this.records;
    const record = await batches.get(batchId);
    const event = record === undefined ? undefined : batchEvent(record.object);
    if (record !== undefined && event === undefined) return;
    if (record !== undefined && event !== undefined) {
      for (const { id: webhookId, events, disabled } of await webhooks.list(record.tenant)) {
        if (disabled !== null || !events.includes(event.type)) continue;
        const id = webhookDeliveryId(event.id, webhookId);
        const object = { id, object: 'webhook.delivery', webhook_id: webhookId, event, status: 'pending' } as const;
        const times = { created_at: event.created_at, next_attempt_at: event.created_at };
        const none = { attempt_count: 0, attempts: [] };
        await deliveries.create({
          tenant: record.tenant,
          round: 0,
          tried: 0,
          object: { ...object, ...times, ...none },
        });
        await this.queues.addDelivery({ deliveryId: id, round: 0 });
      }
    }
    await batches.announced(batchId);
  }

  /** Announces and begins anew what a process that died left. */
  async announceRest(most: number): Promise<void> {
    const { batches, deliveries } = this.records;
    for (const id of await batches.unannounced(most)) await this.announce(id);
    for (const deliveryId of await deliveries.unstarted(most)) {
      const record = await deliveries.get(deliveryId);
      if (record?.object.status === 'pending') await this.queues.addDelivery({ deliveryId, round: record.round });
      await deliveries.started(deliveryId);
    }
  }
}

/** @returns undefined for a batch that has not ended */
function batchEvent(batch: BatchObject): WebhookEvent | undefined {
  const ends: readonly (readonly [WebhookEventType, number | undefined])[] = [
    ['batch.completed', batch.completed_at],
    ['batch.failed', batch.failed_at],
    ['batch.cancelled', batch.cancelled_at],
    ['batch.expired', batch.expired_at],
  ];
  const end = ends.find(([type]) => type === `batch.${batch.status}`);
  if (end === undefined) return undefined;
  const [type, at = batch.created_at] = end;
  return { id: batchEventId(batch.id, type), object: 'event', created_at: at, type, data: { id: batch.id } };
}
