import { newId, webhookDeliveryId, WEBHOOK_QUEUE, type WebhookEvent, type WebhookRecord } from '@madakv/contracts';
import { DEFAULT_FETCH_POLICY } from '@madakv/documents';
import { startRedis, type RedisServer } from '@madakv/testing';
import OpenAI from 'openai';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebhookAnnouncer, WebhookDeliverer } from '../../apps/worker/src/webhook/index.js';
import { BatchWorld, inputOf, TENANT } from './batch.world.js';
import { WebhookReceiver } from './webhook.receiver.js';

const DAY_S = 86_400;
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const SECRET_BEFORE = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;

let redis: RedisServer;
let world: BatchWorld;
let receiver: WebhookReceiver;
/** The clock of the deliverer, in seconds since 1970. It stands still, and is ahead: no attempt that waits becomes due by itself. */
let clock: number;
const AHEAD_S = 120;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  [world, receiver] = [await BatchWorld.open(redis.url), await WebhookReceiver.start()];
  clock = Math.floor(Date.now() / 1_000) + AHEAD_S;
});
afterEach(async () => {
  receiver.stop();
  await world.close();
});
afterAll(() => redis.stop());

async function hook(given: Partial<WebhookRecord> = {}): Promise<WebhookRecord> {
  const record: WebhookRecord = {
    id: newId('webhook'),
    tenant: TENANT,
    url: receiver.url,
    events: ['batch.completed', 'batch.failed'],
    description: null,
    createdAt: clock,
    secrets: [{ secret: SECRET, expiresAt: null }],
    disabled: null,
    failingSince: null,
    ...given,
  };
  expect(await world.records.webhooks.add(record, 16)).toBe(true);
  return record;
}

function deliverer(networks = [WebhookReceiver.ADDRESS]): WebhookDeliverer {
  return new WebhookDeliverer({
    records: world.records,
    policy: {
      ...DEFAULT_FETCH_POLICY,
      allowHttp: true,
      allowedPorts: [receiver.port],
      isAllowedAddress: (address) => networks.includes(address),
    },
    disableAfterMs: 5 * DAY_S * 1_000,
    now: () => clock * 1_000,
    random: () => 0,
  });
}

/** Makes all attempts that are due, each as a worker does. */
async function deliver(by = deliverer()): Promise<void> {
  for (let taken; (taken = await world.take(WEBHOOK_QUEUE)) !== undefined;) {
    const { job, token } = taken;
    try {
      await by.process(job, token);
      await job.moveToCompleted(undefined, token, false);
    } catch (error) {
      expect((error as Error).name).toBe('DelayedError');
    }
  }
}

/** As if the time of the next attempt had come. */
async function deliverLater(seconds: number): Promise<void> {
  clock += seconds;
  for (const job of await world.queues.webhook.getDelayed()) await job.promote();
  await deliver();
}

async function runBatch(input = inputOf(2)): Promise<string> {
  const id = await world.submit(input);
  await world.drain();
  return id;
}

async function deliveriesOf({ id }: WebhookRecord) {
  return (await world.records.deliveries.list(id, { limit: 10 })).data.map(({ object }) => object);
}

const eventOf = (call: { readonly body: string }) => JSON.parse(call.body) as WebhookEvent;

describe('the end of a batch', () => {
  it('is told in the shape and with the signature that OpenAI sends, which official libraries verify', async () => {
    const record = await hook();
    const batchId = await runBatch();
    await deliver();
    expect(receiver.calls).toHaveLength(1);
    const [{ headers, body }] = receiver.calls;
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'madakv' });
    const expected = { object: 'event', type: 'batch.completed', data: { id: batchId } };
    expect(eventOf({ body })).toMatchObject(expected);
    expect(headers['webhook-id']).toBe(eventOf({ body }).id);
    const signed = headers as Record<string, string>;
    expect(new Webhook(SECRET).verify(body, signed)).toMatchObject(expected);
    const client = new OpenAI({ apiKey: 'none' });
    expect(await client.webhooks.unwrap(body, signed, SECRET)).toMatchObject(expected);
    await expect(client.webhooks.unwrap(`${body} `, signed, SECRET)).rejects.toThrow();
    expect(() => new Webhook(SECRET_BEFORE).verify(body, signed)).toThrow();
    expect(await deliveriesOf(record)).toMatchObject([
      { status: 'delivered', next_attempt_at: null, attempt_count: 1, attempts: [{ status_code: 200, error: null }] },
    ]);
  });

  it('is told to each webhook of its tenant that wants it, and to nobody else', async () => {
    const [all, cancelled, disabled, other] = [
      await hook(),
      await hook({ events: ['batch.cancelled', 'batch.expired'] }),
      await hook({ disabled: { at: 1, reason: 'r' } }),
      await hook({ tenant: 'other' }),
    ];
    await runBatch('{"custom_id": "a"}\n');
    const cancelledId = await world.submit(inputOf(1));
    await world.control.cancel(TENANT, cancelledId);
    await world.drain();
    await deliver();
    expect((await deliveriesOf(all)).map(({ event }) => event.type)).toEqual(['batch.failed']);
    expect((await deliveriesOf(cancelled)).map(({ event }) => event)).toMatchObject([
      { type: 'batch.cancelled', data: { id: cancelledId } },
    ]);
    expect([await deliveriesOf(disabled), await deliveriesOf(other)]).toEqual([[], []]);
    expect(receiver.calls).toHaveLength(2);
  });

  it.each(['webhooks', 'deliveries'] as const)(
    'is told although the process dies between end and delivery, at its %s',
    async (part) => {
      const record = await hook();
      const id = await world.submit(inputOf(1));
      const dead = new Error('the process died');
      const dying =
        part === 'webhooks'
          ? vi.spyOn(world.records.webhooks, 'list').mockRejectedValue(dead)
          : vi.spyOn(world.records.deliveries, 'create').mockRejectedValue(dead);
      await expect(world.drain()).rejects.toThrow('the process died');
      dying.mockRestore();
      expect((await world.record(id)).object.status).toBe('completed');
      // Its job is lost as well.
      await world.queues.batch.obliterate({ force: true });
      expect(await deliveriesOf(record)).toEqual([]);
      const announcer = new WebhookAnnouncer(world.records, world.queues);
      await announcer.announceRest(10);
      await announcer.announce(id);
      await deliver();
      expect(receiver.calls.map(eventOf)).toMatchObject([{ data: { id } }]);
      expect(await world.records.batches.unannounced(10)).toEqual([]);
    },
  );

  it('is not told again when it is announced again after it was delivered', async () => {
    await hook();
    const id = await runBatch();
    await deliver();
    await new WebhookAnnouncer(world.records, world.queues).announce(id);
    await deliver();
    expect(receiver.calls).toHaveLength(1);
  });
});

it('begins anew although the process dies between the wish and its job', async () => {
  const record = await hook();
  await runBatch();
  await deliver();
  const [{ id }] = await deliveriesOf(record);
  // What the gateway does first where somebody repeats a delivery.
  await world.records.deliveries.update(id, (found) => ({
    ...found,
    round: found.round + 1,
    tried: 0,
    object: { ...found.object, status: 'pending', next_attempt_at: clock },
  }));
  expect(await world.records.deliveries.unstarted(10)).toEqual([id]);
  const announcer = new WebhookAnnouncer(world.records, world.queues);
  for (let time = 0; time < 2; time++) {
    await announcer.announceRest(10);
    await deliver();
  }
  expect(receiver.calls).toHaveLength(2);
  expect(await deliveriesOf(record)).toMatchObject([{ status: 'delivered', attempt_count: 2 }]);
  expect(await world.records.deliveries.unstarted(10)).toEqual([]);
});

describe('a webhook that fails', () => {
  it('is tried again after longer and longer, with the same id and a new time, until it is given up', async () => {
    const record = await hook();
    receiver.status = 500;
    await runBatch();
    await deliver();
    const pauses: number[] = [];
    for (;;) {
      const [delivery] = await deliveriesOf(record);
      if (delivery.next_attempt_at === null) break;
      pauses.push(delivery.next_attempt_at - clock);
      await deliverLater(delivery.next_attempt_at - clock);
    }
    expect(pauses).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(10);
    const [delivery] = await deliveriesOf(record);
    expect(delivery).toMatchObject({ status: 'failed', attempt_count: 10 });
    expect(delivery.attempts[0]).toMatchObject({
      status_code: 500,
      error: 'answered with status 500; expected 200 to 299',
    });
  });

  it('makes no attempt before its time, although a process died after it had noted one', async () => {
    await hook();
    receiver.status = 500;
    await runBatch();
    await deliver();
    for (const job of await world.queues.webhook.getDelayed()) await job.promote();
    await deliver();
    expect(receiver.calls).toHaveLength(1);
    receiver.status = 204;
    await deliverLater(10);
    expect(receiver.calls).toHaveLength(2);
    expect(await world.queues.webhook.getDelayed()).toEqual([]);
  });

  it('is disabled with the reason after days without a delivery, and one delivery makes it well', async () => {
    const record = await hook();
    receiver.status = 503;
    await runBatch();
    await deliver();
    const failing = async () => world.records.webhooks.find(TENANT, record.id);
    expect(await failing()).toMatchObject({ disabled: null, failingSince: expect.any(Number) as number });
    receiver.status = 200;
    await deliverLater(10);
    expect(await failing()).toMatchObject({ disabled: null, failingSince: null });
    receiver.status = 503;
    await runBatch();
    await deliver();
    await deliverLater(6 * DAY_S);
    const since = new Date(((await failing())?.failingSince ?? 0) * 1_000).toISOString();
    const reason = `nothing was delivered since ${since}; the last: answered with status 503; expected 200 to 299`;
    expect((await failing())?.disabled).toMatchObject({ reason });
    expect((await deliveriesOf(record))[0]).toMatchObject({ status: 'failed' });
    await runBatch();
    expect(await deliveriesOf(record)).toHaveLength(2);
  });

  it('is not disabled by one failure after quiet days, but by the next', async () => {
    const record = await hook({ failingSince: clock - 6 * DAY_S });
    const disabled = async () => (await world.records.webhooks.find(TENANT, record.id))?.disabled;
    receiver.status = 502;
    await runBatch();
    await deliver();
    expect(await disabled()).toBeNull();
    expect(await deliveriesOf(record)).toMatchObject([{ status: 'pending', attempt_count: 1 }]);
    await deliverLater(10);
    expect(await disabled()).not.toBeNull();
  });

  it('is disabled at once by 410 Gone', async () => {
    const record = await hook();
    receiver.status = 410;
    await runBatch();
    await deliver();
    expect((await world.records.webhooks.find(TENANT, record.id))?.disabled).toMatchObject({
      reason: 'answered with status 410; expected 200 to 299',
    });
    expect(await deliveriesOf(record)).toMatchObject([{ status: 'failed', attempt_count: 1 }]);
  });

  it('is not followed where it redirects to', async () => {
    const record = await hook();
    receiver.status = 307;
    await runBatch();
    await deliver();
    expect(await deliveriesOf(record)).toMatchObject([{ status: 'pending', attempts: [{ status_code: 307 }] }]);
  });

  it.each([
    ['http://127.0.0.1:PORT/', 'the host 127.0.0.1 is not on the public internet'],
    ['http://127.0.0.5:1/', 'the URL has the port 1; allowed: PORT'],
  ])('is not called at %s', async (url, error) => {
    const here = (text: string): string => text.replace('PORT', String(receiver.port));
    const record = await hook({ url: here(url) });
    await runBatch();
    await deliver();
    expect(await deliveriesOf(record)).toMatchObject([
      { status: 'failed', attempts: [{ status_code: null, error: here(error) }] },
    ]);
    expect(receiver.calls).toEqual([]);
  });
});

describe('secrets', () => {
  it('sign side by side while they are rotated, and the older one no more when its time is over', async () => {
    const secrets = (expiresAt: number) => [
      { secret: SECRET, expiresAt: null },
      { secret: SECRET_BEFORE, expiresAt },
    ];
    await hook({ secrets: secrets(clock + 3_600) });
    await runBatch();
    await deliver();
    const verifies = (secret: string): boolean => {
      const { headers, body } = receiver.calls[0];
      try {
        return new Webhook(secret).verify(body, headers as Record<string, string>) !== undefined;
      } catch {
        return false;
      }
    };
    expect([verifies(SECRET), verifies(SECRET_BEFORE)]).toEqual([true, true]);
    receiver.calls.length = 0;
    for (const { id } of await world.records.webhooks.list(TENANT)) {
      await world.records.webhooks.update(TENANT, id, (found) => ({ ...found, secrets: secrets(clock - 1) }));
    }
    await runBatch();
    await deliver();
    expect([verifies(SECRET), verifies(SECRET_BEFORE)]).toEqual([true, false]);
  });
});

it('ends deliveries of a webhook that was deleted', async () => {
  const record = await hook();
  await runBatch();
  await world.records.webhooks.delete(TENANT, record.id);
  await deliver();
  expect(receiver.calls).toEqual([]);
  const [delivery] = await deliveriesOf(record);
  expect(delivery).toMatchObject({ status: 'failed', attempts: [{ error: 'the webhook was deleted' }] });
  expect(delivery.id).toBe(webhookDeliveryId(delivery.event.id, record.id));
});
