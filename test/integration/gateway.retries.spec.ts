import {
  lineRequestId,
  retryBatchId,
  storeKeys,
  type BatchLineDetail,
  type BatchLinePage,
  type BatchObject,
  type BatchResult,
} from '@madakv/contracts';
import { toFile } from 'openai';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { batchInput, errorOf, TestGateway } from './gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
  gateway.worker.batches.run = false;
});
afterAll(() => gateway.stop());

/** A batch of so many lines, `line-1` and on. */
async function submit(lines: number, more: object = {}): Promise<string> {
  const client = gateway.client();
  const file = await client.files.create({ file: await toFile(batchInput(lines), 'a.jsonl'), purpose: 'batch' });
  const endpoint = '/v1/chat/completions';
  return (await client.batches.create({ input_file_id: file.id, endpoint, completion_window: '24h', ...more })).id;
}

/** Ends a batch as a worker does: lines with an answer, and lines that failed. */
async function end(id: string, answers: Record<number, string>, failed: readonly number[]): Promise<void> {
  const resultOf = (line: number, status_code: number, body: object): string =>
    `${JSON.stringify({
      id: `r${line}`,
      custom_id: `line-${line}`,
      response: { status_code, request_id: lineRequestId(id, line), body },
      error: null,
    })}\n`;
  const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
  const output = Object.entries(answers).map(([line, content]) =>
    resultOf(Number(line), 200, { choices: [{ message: { content } }], usage, madakv: { cache_ratio: 0.2 } }),
  );
  const error = { message: 'no room', type: 't', param: null, code: 'budget_unavailable' };
  const errors = failed.map((line) => resultOf(line, 503, { error }));
  const [output_file_id, error_file_id] = [`file-output-${id}`, `file-error-${id}`];
  await gateway.store.put(storeKeys.file(output_file_id), Buffer.from(output.join('')));
  await gateway.store.put(storeKeys.file(error_file_id), Buffer.from(errors.join('')));
  const request_counts = { total: output.length + errors.length, completed: output.length, failed: errors.length };
  await gateway.records.batches.update(id, (found) => ({
    ...found,
    object: { ...found.object, status: 'completed', output_file_id, error_file_id, request_counts },
  }));
}

async function retry(id: string): Promise<BatchObject> {
  const response = await gateway.postJson(`/v1/batches/${id}/retry`, {});
  expect(response.status).toBe(200);
  return (await response.json()) as BatchObject;
}

async function results(id: string, query = ''): Promise<BatchResult[]> {
  const lines = await (await gateway.fetch(`/v1/batches/${id}/results${query}`)).text();
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as BatchResult);
}

/** Of each line what it says, and which batch answered it. */
async function told(id: string, query = ''): Promise<unknown[]> {
  return (await results(id, query)).map(({ custom_id, response, madakv }) => {
    const { choices, error } = response?.body as {
      choices?: { message: { content: string } }[];
      error?: { code: string };
    };
    return [custom_id, choices?.[0].message.content ?? error?.code, madakv?.answered_by];
  });
}

async function lines(id: string): Promise<BatchLinePage['data']> {
  return ((await (await gateway.fetch(`/v1/batches/${id}/lines`)).json()) as BatchLinePage).data;
}

it('asks what failed again, under the same numbers, and nothing else', async () => {
  const output_expires_after = { anchor: 'created_at', seconds: 3_600 };
  const id = await submit(5, { metadata: { team: 'a' }, output_expires_after });
  await end(id, { 1: 'yes', 3: 'no' }, [2, 4, 5]);
  const made = await retry(id);
  expect(made).toMatchObject({ object: 'batch', status: 'validating', metadata: { team: 'a', retry_of: id } });
  const content = await text(await gateway.store.get(storeKeys.file(made.input_file_id)));
  const asked = batchInput(5).toString().split('\n');
  expect(content).toBe(`\n${asked[1]}\n\n${asked[3]}\n${asked[4]}\n`);
  expect((await gateway.client().files.retrieve(made.input_file_id)).bytes).toBe(content.length);
  expect((await lines(made.id)).map(({ line, custom_id }) => [line, custom_id])).toEqual([
    [2, 'line-2'],
    [4, 'line-4'],
    [5, 'line-5'],
  ]);
  expect(await gateway.records.batches.get(made.id)).toMatchObject({ outputExpirySeconds: 3_600, retryOf: id });
});

it('counts as many lines as are asked, not those between them', async () => {
  const limits = JSON.stringify({ queuedBatchLines: 10 });
  const small = await TestGateway.start({ MADAKV_GATEWAY_LIMITS: limits });
  const whole = gateway;
  gateway = small;
  try {
    small.worker.batches.run = false;
    const id = await submit(9);
    await end(id, { 1: 'yes', 2: 'yes', 3: 'yes', 4: 'yes', 5: 'yes', 6: 'yes', 7: 'yes' }, [8, 9]);
    await submit(8);
    expect((await retry(id)).metadata).toEqual({ retry_of: id });
  } finally {
    gateway = whole;
    await small.stop();
  }
});

it('makes one batch, however often and by how many it is asked for at once', async () => {
  const id = await submit(3);
  await end(id, { 1: 'yes' }, [2, 3]);
  const before = (await gateway.keysBelow('files/')).length;
  const made = await Promise.all(Array.from({ length: 6 }, () => retry(id)));
  expect(new Set(made.map((batch) => batch.id)).size).toBe(1);
  expect(new Set(made.map((batch) => batch.input_file_id)).size).toBe(1);
  expect((await retry(id)).id).toBe(made[0].id);
  expect((await gateway.records.batches.get(id))?.retries).toEqual([made[0].id]);
  // Of those who came second no file is left.
  expect(await gateway.keysBelow('files/')).toHaveLength(before + 1);
  // All of it is answered: nothing has failed since.
  await end(made[0].id, { 2: 'a', 3: 'b' }, []);
  expect(await retry(id)).toMatchObject({ id: made[0].id, status: 'completed' });
  expect(await errorOf(await gateway.postJson(`/v1/batches/${made[0].id}/retry`, {}))).toMatchObject({ status: 409 });
});

it('goes on with what a retry left, whichever of the batches is named', async () => {
  const id = await submit(4);
  await end(id, { 1: 'yes' }, [2, 3, 4]);
  const second = await retry(id);
  await end(second.id, { 3: 'late' }, [2, 4]);
  const third = await retry(second.id);
  expect(third).toMatchObject({ metadata: { retry_of: second.id } });
  expect((await retry(id)).id).toBe(third.id);
  expect((await lines(third.id)).map(({ line }) => line)).toEqual([2, 4]);
  await end(third.id, { 4: 'later' }, [2]);
  expect(await told(id)).toEqual([
    ['line-1', 'yes', undefined],
    ['line-2', 'budget_unavailable', undefined],
    ['line-3', 'late', second.id],
    ['line-4', 'later', third.id],
  ]);
  expect(await told(second.id)).toEqual([
    ['line-2', 'budget_unavailable', undefined],
    ['line-3', 'late', undefined],
    ['line-4', 'later', third.id],
  ]);
  expect((await told(id, '?joined=false')).map((line) => (line as string[])[1])).toEqual([
    'yes',
    ...Array.from({ length: 3 }, () => 'budget_unavailable'),
  ]);
  const csv = await (await gateway.fetch(`/v1/batches/${id}/results?format=csv`)).text();
  expect(csv.split('\r\n').slice(3, 5)).toEqual([
    `3,line-3,completed,late,,,7,2,0.2,${second.id}`,
    `4,line-4,completed,later,,,7,2,0.2,${third.id}`,
  ]);
  expect((await lines(id)).map(({ status, answered_by }) => [status, answered_by])).toEqual([
    ['completed', null],
    ['failed', null],
    ['failed', second.id],
    ['failed', third.id],
  ]);
  const line = (await (await gateway.fetch(`/v1/batches/${id}/lines/4`)).json()) as BatchLineDetail;
  expect(line).toMatchObject({ answered_by: third.id, result: { response: { status_code: 503 } } });
  // What was there stays as it was.
  const errors = await text(await gateway.store.get(storeKeys.file(`file-error-${id}`)));
  expect(errors).not.toContain('answered_by');
  expect(errors.trimEnd().split('\n')).toHaveLength(3);
});

it('joins nothing of a retry that runs, and needs no file of one that answered nothing', async () => {
  const id = await submit(2);
  await end(id, { 1: 'yes' }, [2]);
  const second = await retry(id);
  expect((await told(id))[1]).toEqual(['line-2', 'budget_unavailable', undefined]);
  await end(second.id, {}, [2]);
  expect((await told(id))[1]).toEqual(['line-2', 'budget_unavailable', undefined]);
  await gateway.store.delete(storeKeys.file(`file-output-${second.id}`));
  expect(await told(id)).toHaveLength(2);
});

it('makes the batch that a gateway named and did not live to make, and passes over one that was refused', async () => {
  const id = await submit(2);
  await end(id, { 1: 'yes' }, [2]);
  const named = retryBatchId(id, 0);
  await gateway.records.batches.update(id, (found) => ({ ...found, retries: [named] }));
  expect(await told(id)).toHaveLength(2);
  expect((await retry(id)).id).toBe(named);
  await gateway.records.batches.update(named, (found) => ({
    ...found,
    object: { ...found.object, status: 'failed' },
  }));
  const next = await retry(id);
  expect(next.id).not.toBe(named);
  expect((await lines(next.id)).map(({ line }) => line)).toEqual([2]);
});

it('has nothing to do where no line failed, and is its tenant’s alone', async () => {
  const all = await submit(1);
  await end(all, { 1: 'yes' }, []);
  expect(await errorOf(await gateway.postJson(`/v1/batches/${all}/retry`, {}))).toMatchObject({ status: 409 });
  const other = await gateway.postJson(`/v1/batches/${all}/retry`, {}, { tenant: 'other' });
  expect(await errorOf(other)).toMatchObject({ status: 404 });
});
