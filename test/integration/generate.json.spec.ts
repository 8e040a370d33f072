import type { ChatCompletion } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startService, type RunningService } from './budget.services.js';
import { WorkerBench } from './worker.bench.js';

let redis: RedisServer;
let bench: WorkerBench;
let budget: RunningService;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url });
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  await bench.startWorker();
});
afterAll(async () => {
  await bench.close();
  await budget.end('SIGKILL');
  await redis.stop();
});

const schema = {
  type: 'object',
  properties: { total: { type: 'integer', minimum: 1, maximum: 20 }, paid: { enum: ['yes', 'no'] } },
  required: ['total', 'paid'],
  additionalProperties: false,
};
const ask = (changes: object = {}) => ({
  messages: [{ role: 'user' as const, content: 'How much is it, and is it paid? Answer as JSON.' }],
  max_tokens: 60,
  response_format: { type: 'json_schema' as const, json_schema: { name: 'invoice', schema, strict: true } },
  ...changes,
});

function expectValid({ choices }: ChatCompletion): void {
  expect(choices[0].finish_reason).toBe('stop');
  const { total, paid, ...others } = JSON.parse(choices[0].message.content) as Record<string, unknown>;
  expect(Number.isInteger(total) && Number(total) >= 1 && Number(total) <= 20).toBe(true);
  expect(['yes', 'no']).toContain(paid);
  expect(others).toEqual({});
}

it('a chat is answered in its format by a worker, drawn or not', async () => {
  for (const changes of [{}, { temperature: 2, seed: 3 }, { stream: true }]) {
    const job = await bench.chat(ask(changes));
    await expect.poll(() => bench.answerOf(job)).toBeDefined();
    expectValid((await bench.answerOf(job))?.body as ChatCompletion);
  }
});

it('so are lines of a batch; one whose schema cannot be honoured fails alone', async () => {
  const bad = { name: 'x', schema: { type: 'object', properties: { a: { oneOf: [{}] } } } };
  const lines = [ask(), ask({ temperature: 1.5 }), ask({ response_format: { type: 'json_schema', json_schema: bad } })];
  const batchId = await bench.batch(lines);
  const batch = async () => (await bench.records.batches.get(batchId))?.object;
  await expect.poll(async () => (await batch())?.status).toBe('completed');
  const { output_file_id, error_file_id } = (await batch()) ?? {};
  const [answers, errors] = [await bench.results(output_file_id), await bench.results(error_file_id)];
  expect(answers).toHaveLength(2);
  for (const { response } of answers) expectValid(response?.body as unknown as ChatCompletion);
  expect(errors).toMatchObject([
    {
      custom_id: 'c3',
      response: {
        status_code: 400,
        body: { error: { param: 'response_format.json_schema.schema.properties.a.oneOf', code: 'unsupported_schema' } },
      },
    },
  ]);
});
