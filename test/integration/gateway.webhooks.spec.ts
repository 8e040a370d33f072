import {
  batchEventId,
  webhookDeliveryId,
  type Webhook,
  type WebhookDelivery,
  type WebhookWithSecret,
} from '@madakv/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, TestGateway, type TestTenant } from './gateway.fixture.js';

const URL = 'https://hooks.example/madakv';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.stop());

async function post<T>(path: string, body: unknown, tenant: TestTenant = 'acme'): Promise<T> {
  const response = await gateway.postJson(path, body, { tenant });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

async function get<T>(path: string, tenant: TestTenant = 'acme'): Promise<T> {
  const response = await gateway.fetch(path, { tenant });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

const create = (body: object = {}, tenant?: TestTenant) =>
  post<WebhookWithSecret>('/v1/webhooks', { url: URL, ...body }, tenant);

describe('webhooks', () => {
  it('are created with a secret that is shown once, changed, and deleted', async () => {
    const { secret, ...created } = await create({ description: 'billing' });
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const events = ['batch.completed', 'batch.failed', 'batch.cancelled', 'batch.expired'];
    expect(created).toMatchObject({ object: 'webhook', url: URL, events, description: 'billing', status: 'enabled' });
    expect(await get(`/v1/webhooks/${created.id}`)).toEqual(created);
    const changed = await post<Webhook>(`/v1/webhooks/${created.id}`, { events: ['batch.failed', 'batch.failed'] });
    expect(changed).toEqual({ ...created, events: ['batch.failed'] });
    const disabled = await post<Webhook>(`/v1/webhooks/${created.id}`, { enabled: false, description: null });
    expect(disabled).toMatchObject({ status: 'disabled', disabled_reason: 'its owner disabled it', description: null });
    const enabled = await post<Webhook>(`/v1/webhooks/${created.id}`, { enabled: true });
    expect(enabled).toMatchObject({ status: 'enabled', disabled_at: null, disabled_reason: null });
    const gone = await gateway.fetch(`/v1/webhooks/${created.id}`, { method: 'DELETE' });
    expect(await gone.json()).toEqual({ id: created.id, object: 'webhook', deleted: true });
    expect(await errorOf(await gateway.fetch(`/v1/webhooks/${created.id}`))).toMatchObject({
      status: 404,
      param: 'id',
    });
  });

  it('are their tenant’s', async () => {
    const { id } = await create({}, 'other');
    const mine = await get<{ data: Webhook[] }>('/v1/webhooks');
    expect(mine.data.map((each) => each.id)).not.toContain(id);
    for (const path of ['', '/rotate', '/deliveries/whd_1/repeat']) {
      expect((await gateway.postJson(`/v1/webhooks/${id}${path}`, {})).status).toBe(404);
    }
    expect((await gateway.fetch(`/v1/webhooks/${id}/deliveries`)).status).toBe(404);
    expect((await gateway.fetch(`/v1/webhooks/${id}`, { method: 'DELETE' })).status).toBe(404);
    expect((await get<{ data: Webhook[] }>('/v1/webhooks', 'other')).data).toMatchObject([{ id }]);
  });

  it.each([
    [{}, 'url'],
    [{ url: 'ftp://hooks.example' }, 'url'],
    [{ url: 'https://user:secret@hooks.example' }, 'url'],
    [{ url: `https://hooks.example/${'a'.repeat(2_048)}` }, 'url'],
    [{ url: URL, events: [] }, 'events'],
    [{ url: URL, events: ['batch.started'] }, 'events.0'],
    [{ url: URL, secret: 'mine' }, 'secret'],
  ])('are refused as %j', async (body, param) => {
    expect(await errorOf(await gateway.postJson('/v1/webhooks', body))).toMatchObject({ status: 400, param });
  });

  it('do not answer for what another address did', async () => {
    const { id } = await create();
    await gateway.records.webhooks.update('acme', id, (found) => ({ ...found, failingSince: 5 }));
    const described = await post<Webhook>(`/v1/webhooks/${id}`, { description: 'x', url: URL });
    expect(described.failing_since).toBe(5);
    expect((await post<Webhook>(`/v1/webhooks/${id}`, { url: `${URL}/2` })).failing_since).toBeNull();
    await gateway.fetch(`/v1/webhooks/${id}`, { method: 'DELETE' });
  });

  it('are limited', async () => {
    const { data } = await get<{ data: Webhook[] }>('/v1/webhooks');
    for (let i = data.length; i < 16; i++) await create();
    const refused = await errorOf(await gateway.postJson('/v1/webhooks', { url: URL }));
    expect(refused).toMatchObject({ status: 409, code: 'conflict' });
    expect(refused.message).toContain('16 webhooks');
    for (const { id } of (await get<{ data: Webhook[] }>('/v1/webhooks')).data) {
      await gateway.fetch(`/v1/webhooks/${id}`, { method: 'DELETE' });
    }
  });
});

describe('a secret', () => {
  it('is rotated: two sign at a time, the older one until its time is over', async () => {
    const created = await create();
    const rotated = await post<WebhookWithSecret>(`/v1/webhooks/${created.id}/rotate`, { keep_seconds: 60 });
    const secrets = async () => (await gateway.records.webhooks.find('acme', created.id))?.secrets;
    expect(rotated.secret).not.toBe(created.secret);
    expect(await secrets()).toEqual([
      { secret: rotated.secret, expiresAt: null },
      { secret: created.secret, expiresAt: rotated.secret_before_expires_at },
    ]);
    const path = `/v1/webhooks/${created.id}/rotate`;
    const again = await post<WebhookWithSecret>(path, '');
    expect((await secrets())?.map(({ secret }) => secret)).toEqual([again.secret, rotated.secret]);
    const last = await post<WebhookWithSecret>(path, { keep_seconds: 0 });
    expect(await secrets()).toEqual([{ secret: last.secret, expiresAt: null }]);
    expect(last.secret_before_expires_at).toBeNull();
  });
});

describe('deliveries', () => {
  it('are listed, newest first, and repeated', async () => {
    const { id: webhook } = await create();
    const ids: string[] = [];
    for (const batch of ['batch_1', 'batch_2', 'batch_3']) {
      const type = 'batch.completed';
      const event = {
        id: batchEventId(batch, type),
        object: 'event' as const,
        created_at: 1,
        type,
        data: { id: batch },
      };
      const id = webhookDeliveryId(event.id, webhook);
      ids.push(id);
      await gateway.records.deliveries.create({
        tenant: 'acme',
        round: 0,
        tried: 10,
        object: {
          id,
          object: 'webhook.delivery',
          webhook_id: webhook,
          event: { ...event, type: 'batch.completed' },
          status: 'failed',
          created_at: 1,
          next_attempt_at: null,
          attempt_count: 10,
          attempts: [{ at: 1, status_code: 500, error: 'answered with status 500', ms: 3 }],
        },
      });
    }
    const path = `/v1/webhooks/${webhook}/deliveries`;
    const first = await get<{ data: WebhookDelivery[]; has_more: boolean }>(`${path}?limit=2`);
    expect(first.data.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect(first.has_more).toBe(true);
    const rest = await get<{ data: WebhookDelivery[] }>(`${path}?limit=2&after=${ids[1]}`);
    expect(rest.data).toMatchObject([{ id: ids[0], event: { data: { id: 'batch_1' } }, status: 'failed' }]);
    expect(await post(`${path}/${ids[0]}/repeat`, {})).toMatchObject({ status: 'pending', attempt_count: 10 });
    expect(await gateway.queues.webhook.getJob(`${ids[0]}.1`)).toMatchObject({
      data: { deliveryId: ids[0], round: 1 },
    });
    await post(`/v1/webhooks/${webhook}`, { enabled: false });
    expect(await errorOf(await gateway.postJson(`${path}/${ids[0]}/repeat`, {}))).toMatchObject({ status: 409 });
    await post(`/v1/webhooks/${webhook}`, { enabled: true });
    const unknown = await errorOf(await gateway.postJson(`${path}/whd_0/repeat`, {}));
    expect(unknown).toMatchObject({ status: 404, param: 'delivery_id' });
  });
});
