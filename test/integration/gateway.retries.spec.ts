import {
  lineRequestId,
  retryBatchId,
  storeKeys,
  type BatchLineDetail,
  type BatchLinePage,
  type BatchObject,
  type BatchResult,
} from '@madakv/contracts';
import { LocalFileStore, type FileStore } from '@madakv/storage';
import { Readable } from 'node:stream';
import { toFile } from 'openai';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { FilesService } from '../../apps/gateway/src/files/files.service.js';
import { STORE } from '../../apps/gateway/src/gateway.tokens.js';
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

/** Ends a batch as a worker does: lines with an answer, lines that failed, and lines that were not come to. */
async function end(
  id: string,
  answers: Record<number, string>,
  failed: readonly number[],
  unasked: readonly number[] = [],
): Promise<void> {
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
  for (const line of unasked) {
    const [code, message] = ['batch_cancelled', 'cancelled'];
    errors.push(
      `${JSON.stringify({ id: `r${line}`, custom_id: `line-${line}`, response: null, error: { code, message, line } })}\n`,
    );
  }
  const files = {
    ...(await written(id, 'output', output)),
    ...(await written(id, 'error', errors)),
  };
  const request_counts = { total: output.length + errors.length, completed: output.length, failed: errors.length };
  await gateway.records.batches.update(id, (found) => ({
    ...found,
    object: { ...found.object, status: 'completed', in_progress_at: 1_700_000_000, request_counts, ...files },
  }));
}

/** A file without lines is not there. */
async function written(
  batchId: string,
  kind: 'output' | 'error',
  lines: readonly string[],
): Promise<Record<string, string>> {
  if (lines.length === 0) return {};
  const id = `file-${kind}-${batchId}`;
  const key = storeKeys.file(id);
  const { bytes, sha256 } = await gateway.store.put(key, Buffer.from(lines.join('')));
  const object = {
    id,
    object: 'file',
    bytes,
    created_at: 1_700_000_000,
    filename: `${batchId}_${kind}.jsonl`,
  } as const;
  await gateway.records.files.create({
    tenant: 'acme',
    key,
    sha256,
    object: { ...object, purpose: 'batch_output', status: 'processed' },
  });
  return { [`${kind}_file_id`]: id };
}

/** Ends a batch as a worker does before its lines were asked: it has no results. */
async function endUnasked(id: string): Promise<void> {
  await gateway.records.batches.update(id, (found) => ({
    ...found,
    object: { ...found.object, status: 'cancelled', cancelled_at: 1_700_000_000 },
  }));
}

async function retry(id: string): Promise<BatchObject> {
  const response = await gateway.postJson(`/v1/batches/${id}/retry`, {});
  expect(response.status).toBe(200);
  return (await response.json()) as BatchObject;
}

async function results(id: string, query = '', url?: string): Promise<BatchResult[]> {
  const lines = await (await gateway.fetch(`/v1/batches/${id}/results${query}`, {}, url)).text();
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as BatchResult);
}

/** Of each line what it says, and which batch answered it. */
async function told(id: string, query = '', url?: string): Promise<unknown[]> {
  return (await results(id, query, url)).map(({ custom_id, response, error, madakv }) => {
    const body = response?.body as
      { choices?: { message: { content: string } }[]; error?: { code: string } } | undefined;
    return [custom_id, body?.choices?.[0].message.content ?? (body?.error ?? error)?.code, madakv?.answered_by];
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
  await gateway.store.delete(storeKeys.file(`file-error-${second.id}`));
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

it('passes over a retry that ended before it began', async () => {
  const id = await submit(2);
  await end(id, { 1: 'yes' }, [2]);
  const cancelled = await retry(id);
  await endUnasked(cancelled.id);
  const next = await retry(id);
  expect(next.id).not.toBe(cancelled.id);
  expect((await lines(next.id)).map(({ line }) => line)).toEqual([2]);
  await end(next.id, { 2: 'late' }, []);
  expect((await told(id))[1]).toEqual(['line-2', 'late', next.id]);
});

it('asks all lines of a batch that ended before it began', async () => {
  const id = await submit(2);
  await endUnasked(id);
  const made = await retry(id);
  expect((await lines(made.id)).map(({ line }) => line)).toEqual([1, 2]);
  await end(made.id, { 1: 'a' }, [2]);
  expect((await lines(id)).map(({ status, answered_by }) => [status, answered_by])).toEqual([
    ['unknown', made.id],
    ['unknown', null],
  ]);
  expect(await told(id)).toEqual([['line-1', 'a', made.id]]);
  const unread = await submit(1);
  await endUnasked(unread);
  const { inputKey } = (await gateway.records.batches.get(unread)) ?? {};
  await gateway.store.delete(inputKey ?? '');
  expect(await errorOf(await gateway.postJson(`/v1/batches/${unread}/retry`, {}))).toMatchObject({
    status: 409,
    message: 'The input file is gone: send its lines as a new batch.',
  });
});

it('does not take a retry whose error file is gone for one that answered everything', async () => {
  const id = await submit(2);
  await end(id, { 1: 'yes' }, [2]);
  const second = await retry(id);
  await end(second.id, {}, [2]);
  expect((await gateway.fetch(`/v1/files/file-error-${second.id}`, { method: 'DELETE' })).status).toBe(200);
  const refused = await errorOf(await gateway.postJson(`/v1/batches/${id}/retry`, {}));
  expect(refused).toMatchObject({ status: 409 });
  expect(refused.message).toContain(`The error file of ${second.id} is gone`);
});

it('copies from the input of any of its batches, as long as one is there', async () => {
  const id = await submit(3);
  await end(id, { 1: 'yes' }, [2, 3]);
  const second = await retry(id);
  await end(second.id, { 3: 'late' }, [2]);
  await gateway.client().files.delete(second.input_file_id);
  const third = await retry(id);
  expect((await lines(third.id)).map(({ line }) => line)).toEqual([2]);
  await end(third.id, {}, [2]);
  const first = await gateway.records.batches.get(id);
  await gateway.client().files.delete(first?.object.input_file_id ?? '');
  const fourth = await retry(id);
  expect((await lines(fourth.id)).map(({ line }) => line)).toEqual([2]);
});

it('may be as large as the input that it copies from, however that came', async () => {
  const id = await submit(2);
  await end(id, {}, [1, 2]);
  const puts = vi.spyOn(gateway.app.get<FileStore>(STORE), 'put');
  const made = await retry(id);
  const key = storeKeys.file(made.input_file_id);
  expect(puts.mock.calls.find(([to]) => to === key)?.[2]).toEqual({ maxBytes: batchInput(2).length + 1 });
  puts.mockRestore();
  const write = (limit: number): Promise<unknown> =>
    gateway.app.get(FilesService).writeInput('acme', 'a.jsonl', 1, Readable.from([Buffer.alloc(11, '\n')]), limit);
  await expect(write(10)).rejects.toMatchObject({
    code: 'too_large',
    message: 'The file is larger than the limit of 10 bytes.',
  });
  await expect(write(11)).resolves.toMatchObject({ bytes: 11 });
});

it('joins answers also where the input file is gone, of lines that were never come to too', async () => {
  const id = await submit(4);
  await end(id, { 1: 'yes' }, [], [2, 3, 4]);
  const second = await retry(id);
  await end(second.id, { 2: 'two', 4: 'four' }, [3]);
  const first = await gateway.records.batches.get(id);
  await gateway.client().files.delete(first?.object.input_file_id ?? '');
  // Another gateway has not looked at it while the file was there.
  const other = await gateway.beside();
  try {
    expect(await told(id, '', other.url)).toEqual([
      ['line-1', 'yes', undefined],
      ['line-2', 'two', second.id],
      ['line-3', 'batch_cancelled', undefined],
      ['line-4', 'four', second.id],
    ]);
  } finally {
    await other.stop();
  }
});

it('has the failures again where the output of a retry was deleted', async () => {
  const id = await submit(2);
  await end(id, { 1: 'yes' }, [2]);
  const second = await retry(id);
  await end(second.id, { 2: 'late' }, []);
  expect((await told(id))[1]).toEqual(['line-2', 'late', second.id]);
  await gateway.client().files.delete(`file-output-${second.id}`);
  expect(await told(id)).toEqual([
    ['line-1', 'yes', undefined],
    ['line-2', 'budget_unavailable', undefined],
  ]);
  expect((await lines(id)).map(({ answered_by }) => answered_by)).toEqual([null, null]);
});

it('reads no file of retries that answered nothing', async () => {
  const id = await submit(2);
  await end(id, { 1: 'yes' }, [2]);
  const retries: BatchObject[] = [];
  for (let i = 0; i < 5; i++) {
    const made = await retry(id);
    await end(made.id, {}, [2]);
    retries.push(made);
  }
  const other = await gateway.beside();
  const reads = vi.spyOn(LocalFileStore.prototype, 'get');
  try {
    const page = (await (await gateway.fetch(`/v1/batches/${id}/lines`, {}, other.url)).json()) as BatchLinePage;
    expect(page.data.map(({ answered_by }) => answered_by)).toEqual([null, null]);
    const read = reads.mock.calls.map(([key]) => key);
    const first = await gateway.records.batches.get(id);
    expect(read).toContain(first?.inputKey);
    const theirs = retries.flatMap((made) => [made.input_file_id, `file-error-${made.id}`]);
    expect(read.filter((key) => theirs.some((file) => key === storeKeys.file(file)))).toEqual([]);
  } finally {
    reads.mockRestore();
    await other.stop();
  }
});

it('has nothing to do where no line failed, and is its tenant’s alone', async () => {
  const all = await submit(1);
  await end(all, { 1: 'yes' }, []);
  expect(await errorOf(await gateway.postJson(`/v1/batches/${all}/retry`, {}))).toMatchObject({ status: 409 });
  const other = await gateway.postJson(`/v1/batches/${all}/retry`, {}, { tenant: 'other' });
  expect(await errorOf(other)).toMatchObject({ status: 404 });
});
