import { newId, type ChatCompletion, type ErrorBody } from '@madakv/contracts';
import { unembeddedPdf } from '@madakv/documents/testing';
import { BatchControl } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { startService, type RunningService } from './budget.services.js';
import { WebhookReceiver } from './webhook.receiver.js';
import { TENANT, WorkerBench } from './worker.bench.js';

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url });
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
});
afterAll(async () => {
  await bench.close();
  await budget.end('SIGKILL');
  await redis.stop();
});

const ask = (content: string) => ({ messages: [{ role: 'user' as const, content }], max_tokens: 3 });

it('a batch goes through two workers: each line answered once, each failure with its reason', async () => {
  const receiver = await WebhookReceiver.start();
  onTestFinished(() => {
    receiver.stop();
  });
  await bench.records.webhooks.add(
    {
      id: newId('webhook'),
      tenant: TENANT,
      url: receiver.url,
      events: ['batch.completed'],
      description: null,
      createdAt: 1,
      secrets: [{ secret: `whsec_${Buffer.alloc(32).toString('base64')}`, expiresAt: null }],
      disabled: null,
      failingSince: null,
    },
    1,
  );
  const window = {
    MADAKV_BATCH_WINDOW: '4',
    MADAKV_CONCURRENCY: '2',
    MADAKV_WEBHOOK_HTTP: 'true',
    MADAKV_WEBHOOK_PORTS: `[${receiver.port}]`,
    MADAKV_WEBHOOK_NETWORKS: `["${WebhookReceiver.ADDRESS}/32"]`,
  };
  await bench.startWorker(window);
  await bench.startWorker(window);
  const good = Array.from({ length: 9 }, (_, i) => ask(`Question ${i}: how much is it?`));
  const tooLong = { ...ask('And this?'), max_tokens: 5_000 };
  const badPolicy = { ...ask('And this?'), madakv: { policy: 'magic' } };
  const batchId = await bench.batch([...good, tooLong, badPolicy]);
  const batch = async () => (await bench.records.batches.get(batchId))?.object;
  await expect.poll(async () => (await batch())?.status).toBe('completed');
  const { output_file_id, error_file_id, request_counts, usage } = (await batch()) ?? {};
  expect(request_counts).toEqual({ total: 11, completed: 9, failed: 2 });
  const [answers, errors] = [await bench.results(output_file_id), await bench.results(error_file_id)];
  expect(answers.map(({ custom_id }) => custom_id).sort()).toEqual(good.map((_, i) => `c${i + 1}`).sort());
  const bodies = answers.map(({ response }) => response?.body as unknown as ChatCompletion);
  const tokens = bodies.reduce((sum, body) => sum + body.usage.completion_tokens, 0);
  expect(usage?.output_tokens).toBe(tokens);
  const reasons = errors.map(({ custom_id, response }) => [
    custom_id,
    response?.status_code,
    (response?.body as unknown as ErrorBody).error.code,
  ]);
  expect(reasons).toEqual([
    ['c10', 400, 'context_length_exceeded'],
    ['c11', 400, 'invalid_request'],
  ]);
  const { devices } = await budget.client.call('list', {});
  expect(devices.flatMap(({ leases }) => leases)).toEqual([]);
  await expect.poll(() => receiver.calls.length).toBe(1);
  expect(JSON.parse(receiver.calls[0].body)).toMatchObject({ type: 'batch.completed', data: { id: batchId } });
});

it('an answer says what of a document was not read, and so does its trace', async () => {
  const workers = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  try {
    await workers.startWorker();
    const file = { file_data: unembeddedPdf().toString('base64'), filename: 'invoice.pdf' };
    const content = [
      { type: 'file' as const, file },
      { type: 'text' as const, text: 'What is the total?' },
    ];
    const job = await workers.chat({ messages: [{ role: 'user', content }], max_tokens: 2 });
    await expect.poll(() => workers.answerOf(job)).toMatchObject({ status: 200 });
    const { madakv } = (await workers.answerOf(job))?.body as ChatCompletion;
    const param = 'messages.0.content.0.file';
    expect(madakv.warnings).toMatchObject([{ code: 'text_not_drawn', param }]);
    expect(madakv.warnings[0].message.startsWith(`${param} (invoice.pdf): page 1: text is missing`)).toBe(true);
    expect((await workers.traceOf(job)).warnings).toEqual(madakv.warnings);
  } finally {
    await workers.close();
  }
});

it('what is cancelled while it waits for a device asks for none any more', async () => {
  const waiting = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  try {
    // Nobody generates: lines and chat stay where they are once they are prepared.
    await waiting.startWorker({ MADAKV_WORKER_ROLES: 'batch,prepare', MADAKV_BATCH_WINDOW: '2' });
    const queuedJobs = async () => (await budget.client.call('queryDemand', {})).queuedJobs;
    const batchId = await waiting.batch([ask('One?'), ask('Two?'), ask('Three?')]);
    const chat = await waiting.chat(ask('Four?'));
    await expect.poll(queuedJobs).toBe(3);
    await waiting.records.cancellations.cancel(chat.requestId, 'cancelled');
    expect(await waiting.queues.removeRequest(chat.model, chat.requestId)).toBe(true);
    await expect.poll(queuedJobs).toBe(2);
    const { batches, cancellations } = waiting.records;
    await new BatchControl(batches, cancellations, waiting.queues).cancel(TENANT, batchId);
    await expect.poll(async () => (await batches.get(batchId))?.object.status).toBe('cancelled');
    await expect.poll(queuedJobs).toBe(0);
  } finally {
    await waiting.close();
  }
});
