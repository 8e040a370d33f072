import { lineRequestId, storeKeys, type BatchLinePage, type ErrorGroup } from '@madakv/contracts';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchInput, errorOf, TestGateway } from './gateway.fixture.js';
import { settlementOf } from './settlement.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
  gateway.worker.batches.run = false;
});
afterAll(() => gateway.stop());

async function submit(content: Buffer): Promise<string> {
  const client = gateway.client();
  const file = await client.files.create({ file: await toFile(content, 'a.jsonl'), purpose: 'batch' });
  const endpoint = '/v1/chat/completions';
  return (await client.batches.create({ input_file_id: file.id, endpoint, completion_window: '24h' })).id;
}

async function get<T>(path: string): Promise<T> {
  const response = await gateway.fetch(path);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

/** Settles a line as a worker does. */
async function settle(id: string, line: number, error?: { code: string; status: number }): Promise<void> {
  const requestId = lineRequestId(id, line);
  const key = storeKeys.answer(requestId, 'a');
  const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
  const message = error === undefined ? '' : `${error.code} it is`;
  const body =
    error === undefined
      ? { choices: [{ message: { content: '=1+1' } }], usage, madakv: { cache_ratio: 0.2 } }
      : { error: { message, type: 't', param: null, code: error.code } };
  const answer = { requestId, customId: `line-${line}`, status: error?.status ?? 200, body };
  await gateway.store.put(key, Buffer.from(JSON.stringify(answer)));
  const source = { kind: 'line', batchId: id, line, fileKey: 'f', start: 0, length: 1 } as const;
  const state = error === undefined ? ('completed' as const) : ('failed' as const);
  const outcome = { state, key, ...(error === undefined ? { usage } : {}) };
  const ref = { requestId, source };
  await gateway.records.outcomes.commit(ref, outcome, settlementOf(ref, outcome));
}

/** Ends a batch as a worker does, with these results in its files. */
async function end(id: string, output: readonly object[], errors: readonly object[]): Promise<void> {
  for (const [name, results] of [
    ['output', output],
    ['error', errors],
  ] as const) {
    const lines = results.map((result) => `${JSON.stringify(result)}\n`).join('');
    await gateway.store.put(storeKeys.file(`file-${name}-${id}`), Buffer.from(lines));
  }
  await gateway.records.batches.update(id, (found) => ({
    ...found,
    object: {
      ...found.object,
      status: 'completed',
      in_progress_at: 1_700_000_000,
      output_file_id: `file-output-${id}`,
      error_file_id: `file-error-${id}`,
    },
  }));
}

const answered = (id: string, line: number, content: string) => {
  const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
  const body = { choices: [{ message: { content } }], usage, madakv: { cache_ratio: 0.2 } };
  const response = { status_code: 200, request_id: lineRequestId(id, line), body };
  return { id: `r${line}`, custom_id: `line-${line}`, response, error: null };
};
const refused = (id: string, line: number) => {
  const body = { error: { message: 'locked', type: 't', param: null, code: 'encrypted_pdf' } };
  const response = { status_code: 400, request_id: lineRequestId(id, line), body };
  return { id: `r${line}`, custom_id: `line-${line}`, response, error: null };
};

describe('the lines of a batch that runs', () => {
  it('are counted, filtered, searched and paged as they come to an end', async () => {
    const id = await submit(batchInput(12));
    expect(await get(`/v1/batches/${id}/lines?limit=3`)).toMatchObject({
      total: 12,
      offset: 0,
      counts: { waiting: 12, completed: 0, failed: 0, unknown: 0 },
      data: [{ line: 1, custom_id: 'line-1', status: 'waiting', request_id: `${id}_1` }, { line: 2 }, { line: 3 }],
    });
    await settle(id, 2);
    await settle(id, 4, { code: 'encrypted_pdf', status: 400 });
    await settle(id, 5, { code: 'unreachable_server', status: 503 });
    await settle(id, 11, { code: 'encrypted_pdf', status: 400 });
    const counts = async () => (await get<BatchLinePage>(`/v1/batches/${id}/lines?limit=1`)).counts;
    await expect.poll(counts).toEqual({ waiting: 8, completed: 1, failed: 3, unknown: 0 });
    const found = async (query: string): Promise<number[]> =>
      (await get<BatchLinePage>(`/v1/batches/${id}/lines?${query}`)).data.map(({ line }) => line);
    expect(await found('status=failed')).toEqual([4, 5, 11]);
    expect(await found('status=failed&offset=1&limit=1')).toEqual([5]);
    expect(await found('code=encrypted_pdf')).toEqual([4, 11]);
    expect(await found('search=LINE-1')).toEqual([1, 10, 11, 12]);
    expect(await found('search=nothing')).toEqual([]);
    const { data } = await get<{ data: ErrorGroup[] }>(`/v1/batches/${id}/errors`);
    expect(data).toMatchObject([
      { code: 'encrypted_pdf', count: 2, retryable: false, message: 'encrypted_pdf it is', lines: [4, 11] },
      { code: 'unreachable_server', count: 1, retryable: true, lines: [5] },
    ]);
    expect(data[0].advice).toContain('password');
    const line = await get(`/v1/batches/${id}/lines/2`);
    expect(line).toMatchObject({ status: 'completed', prompt_tokens: 7, result: { response: { status_code: 200 } } });
    expect(await get(`/v1/batches/${id}/lines/1`)).toMatchObject({ status: 'waiting', result: null });
  });

  it('are the same for all who ask at once, each failure counted once', async () => {
    const id = await submit(batchInput(20));
    for (let line = 1; line <= 20; line++) await settle(id, line, { code: 'encrypted_pdf', status: 400 });
    const asked = Array.from({ length: 4 }, () => get<{ data: ErrorGroup[] }>(`/v1/batches/${id}/errors`));
    for (const { data } of await Promise.all(asked)) expect(data.map(({ count }) => count)).toEqual([20]);
  });

  it('have no results to take away yet, and nothing to retry', async () => {
    const id = await submit(batchInput(1));
    expect(await errorOf(await gateway.fetch(`/v1/batches/${id}/results`))).toMatchObject({ status: 409 });
    expect(await errorOf(await gateway.postJson(`/v1/batches/${id}/retry`, {}))).toMatchObject({ status: 409 });
  });
});

describe('the lines of a batch that has ended', () => {
  it('are found in its files, as JSON Lines and as a table in their order, with no formula in it', async () => {
    const id = await submit(batchInput(4));
    const expired = {
      id: 'r4',
      custom_id: 'line-4',
      response: null,
      error: { code: 'batch_expired', message: 'late', line: 4 },
    };
    await end(id, [answered(id, 1, '=cmd|x'), answered(id, 3, 'a "b", c')], [refused(id, 2), expired]);
    const page = await get<BatchLinePage>(`/v1/batches/${id}/lines`);
    expect(page.counts).toEqual({ waiting: 0, completed: 2, failed: 2, unknown: 0 });
    expect(page.data.map(({ status, error_code }) => error_code ?? status)).toEqual([
      'completed',
      'encrypted_pdf',
      'completed',
      'batch_expired',
    ]);
    const line = await get<{ result: { response: { body: object } } }>(`/v1/batches/${id}/lines/3`);
    expect(line.result.response.body).toMatchObject({ choices: [{ message: { content: 'a "b", c' } }] });
    const csv = await (await gateway.fetch(`/v1/batches/${id}/results?format=csv`)).text();
    expect(csv.split('\r\n')).toEqual([
      'line,custom_id,status,answer,error_code,error_message,prompt_tokens,completion_tokens,cache_ratio,answered_by',
      "1,line-1,completed,'=cmd|x,,,7,2,0.2,",
      '2,line-2,failed,,encrypted_pdf,locked,,,,',
      '3,line-3,completed,"a ""b"", c",,,7,2,0.2,',
      '4,line-4,failed,,batch_expired,late,,,,',
      '',
    ]);
    const response = await gateway.fetch(`/v1/batches/${id}/results`);
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename=${id}.jsonl`);
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((each) => (JSON.parse(each) as { custom_id: string }).custom_id)).toEqual([
      'line-1',
      'line-2',
      'line-3',
      'line-4',
    ]);
  });

  it('are not known where no file tells of them, which is said to who asks for results or a retry', async () => {
    const id = await submit(batchInput(3));
    await end(id, [answered(id, 1, 'yes')], [refused(id, 2)]);
    await gateway.records.batches.update(id, (found) => ({
      ...found,
      object: { ...found.object, request_counts: { total: 3, completed: 1, failed: 2 } },
    }));
    await gateway.store.delete(storeKeys.file(`file-error-${id}`));
    const page = await get<BatchLinePage>(`/v1/batches/${id}/lines`);
    expect(page.counts).toEqual({ waiting: 0, completed: 1, failed: 0, unknown: 2 });
    for (const format of ['jsonl', 'csv']) {
      const gone = await gateway.fetch(`/v1/batches/${id}/results?format=${format}`);
      expect(await errorOf(gone)).toMatchObject({ status: 404, message: expect.stringContaining('expired') as string });
    }
    const retried = await errorOf(await gateway.postJson(`/v1/batches/${id}/retry`, {}));
    expect(retried).toMatchObject({ status: 409, message: expect.stringContaining('error file') as string });
  });

  it('are those of its results where its input file is gone', async () => {
    const id = await submit(batchInput(2));
    await end(id, [answered(id, 2, 'yes')], [refused(id, 1)]);
    const record = await gateway.records.batches.get(id);
    await gateway.store.delete(record?.inputKey ?? '');
    const { data } = await get<BatchLinePage>(`/v1/batches/${id}/lines`);
    expect(data.map(({ line, status }) => [line, status])).toEqual([
      [1, 'failed'],
      [2, 'completed'],
    ]);
    expect(await errorOf(await gateway.postJson(`/v1/batches/${id}/retry`, {}))).toMatchObject({
      status: 409,
      message: /input file is gone/,
    });
  });
});

it.each(['limit=0', 'limit=501', 'offset=-1', 'status=done'])('refuses the query %s', async (query) => {
  expect((await gateway.fetch(`/v1/batches/batch_1/lines?${query}`)).status).toBe(400);
});
