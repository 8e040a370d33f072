import {
  CreateWebhookSchema,
  MadakvError,
  MAX_WEBHOOKS,
  newId,
  parseJson,
  RotateWebhookSchema,
  UpdateWebhookSchema,
  WebhookEventTypeSchema,
  type Webhook,
  type WebhookDelivery,
  type WebhookDeliveryRecord,
  type WebhookRecord,
  type WebhookWithSecret,
} from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { Records, type RecordPage } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { checked } from '../http/checked.query.js';
import { pageQuery, type BatchPage } from '../http/page.query.js';

/** Random bits of a secret, in bytes. Standard Webhooks wants 24 to 64. */
const SECRET_BYTES = 32;

/** Webhooks of tenants, their secrets and deliveries. Workers call them. */
@Injectable()
export class WebhooksService {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(JobQueues) private readonly queues: JobQueues,
  ) {}

  /** @throws MadakvError invalid_request; rate_limit_exceeded where there are as many as there may be */
  async create(tenant: string, text: string): Promise<WebhookWithSecret> {
    const body = checked(CreateWebhookSchema, parseJson(text));
    const secret = newSecret();
    const record: WebhookRecord = {
      id: newId('webhook'),
      tenant,
      url: body.url,
      events: body.events ?? [...WebhookEventTypeSchema.options],
      description: body.description ?? null,
      createdAt: seconds(),
      secrets: [{ secret, expiresAt: null }],
      disabled: null,
      failingSince: null,
    };
    if (await this.records.webhooks.add(record, MAX_WEBHOOKS)) return { ...webhookOf(record), secret };
    throw new MadakvError(
      'conflict',
      `There are ${MAX_WEBHOOKS} webhooks already, which is the limit; delete one first.`,
    );
  }

  async list(tenant: string): Promise<Webhook[]> {
    return (await this.records.webhooks.list(tenant)).map(webhookOf);
  }

  /** @throws MadakvError not_found */
  async get(tenant: string, id: string): Promise<Webhook> {
    return webhookOf(await this.find(tenant, id));
  }

  /** @throws MadakvError not_found, invalid_request */
  async update(tenant: string, id: string, text: string): Promise<Webhook> {
    const { enabled, description, ...rest } = checked(UpdateWebhookSchema, parseJson(text));
    await this.find(tenant, id);
    const record = await this.records.webhooks.update(tenant, id, (found) => ({
      ...found,
      ...rest,
      ...(description === undefined ? {} : { description }),
      ...(enabled === true ? { disabled: null, failingSince: null } : {}),
      // What another address did is not this one's fault.
      ...(rest.url === undefined || rest.url === found.url ? {} : { failingSince: null }),
      ...(enabled === false && found.disabled === null
        ? { disabled: { at: seconds(), reason: 'its owner disabled it' } }
        : {}),
    }));
    return webhookOf(record);
  }

  /** Deliveries that are under way end. @throws MadakvError not_found */
  async delete(tenant: string, id: string): Promise<void> {
    if (!(await this.records.webhooks.delete(tenant, id))) throw notFound(id);
    await this.records.deliveries.forget(id);
  }

  /** A new secret; the one before signs beside it for a while, any older one no more. @throws MadakvError not_found */
  async rotate(tenant: string, id: string, text: string): Promise<WebhookWithSecret> {
    const { keep_seconds } = checked(RotateWebhookSchema, text.trim() === '' ? {} : parseJson(text));
    await this.find(tenant, id);
    const secret = newSecret();
    const record = await this.records.webhooks.update(tenant, id, (found) => {
      const before = { secret: found.secrets[0].secret, expiresAt: seconds() + keep_seconds };
      return { ...found, secrets: [{ secret, expiresAt: null }, ...(keep_seconds === 0 ? [] : [before])] };
    });
    return { ...webhookOf(record), secret };
  }

  /** @throws MadakvError not_found */
  async deliveries(tenant: string, id: string, page: BatchPage): Promise<RecordPage<WebhookDeliveryRecord>> {
    await this.find(tenant, id);
    return this.records.deliveries.list(id, pageQuery(page));
  }

  /** Tries a delivery again from now on, whatever became of it. @throws MadakvError not_found; conflict for a disabled webhook */
  async repeat(tenant: string, id: string, deliveryId: string): Promise<WebhookDelivery> {
    if ((await this.find(tenant, id)).disabled !== null) {
      throw new MadakvError('conflict', `Webhook ${id} is disabled; enable it first.`, { param: 'id' });
    }
    const known = await this.records.deliveries.find(tenant, id, deliveryId);
    const record =
      known === undefined
        ? undefined
        : await this.records.deliveries.update(deliveryId, (found) => ({
            ...found,
            round: found.round + 1,
            tried: 0,
            object: { ...found.object, status: 'pending', next_attempt_at: seconds() },
          }));
    if (record === undefined) {
      const message = `No delivery found with id '${deliveryId.slice(0, 128)}'.`;
      throw new MadakvError('not_found', message, { param: 'delivery_id' });
    }
    await this.queues.addDelivery({ deliveryId, round: record.round });
    await this.records.deliveries.started(deliveryId);
    return record.object;
  }

  private async find(tenant: string, id: string): Promise<WebhookRecord> {
    const record = await this.records.webhooks.find(tenant, id);
    if (record === undefined) throw notFound(id);
    return record;
  }
}

function webhookOf(record: WebhookRecord): Webhook {
  const { id, url, events, description, createdAt, secrets, disabled, failingSince } = record;
  const before = secrets.at(1)?.expiresAt ?? null;
  return {
    id,
    object: 'webhook',
    url,
    events,
    description,
    created_at: createdAt,
    status: disabled === null ? 'enabled' : 'disabled',
    disabled_at: disabled?.at ?? null,
    disabled_reason: disabled?.reason ?? null,
    failing_since: failingSince,
    secret_before_expires_at: before !== null && before > seconds() ? before : null,
  };
}

function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

function seconds(): number {
  return Math.floor(Date.now() / 1_000);
}

function notFound(id: string): MadakvError {
  return new MadakvError('not_found', `No webhook found with id '${id.slice(0, 128)}'.`, { param: 'id' });
}
