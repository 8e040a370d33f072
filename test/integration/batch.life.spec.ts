import { lineRequestId, storeKeys, type BatchStatus, type MadakvError } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BatchWorld, inputOf, line, MODEL, TENANT } from './batch.world.js';

let redis: RedisServer;
let world: BatchWorld;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  world = await BatchWorld.open(redis.url);
});
afterEach(() => world.close());
afterAll(() => redis.stop());

async function statusOf(id: string): Promise<BatchStatus> {
  return (await world.record(id)).object.status;
}

describe('a batch that completes', () => {
  it('answers each line once, in order, and leaves nothing between input and output', async () => {
    const id = await world.submit(inputOf(8));
    await world.drain();
    const { object } = await world.record(id);
    const { output, errors } = await world.results(id);
    expect(object).toMatchObject({
      status: 'completed',
      model: MODEL,
      request_counts: { total: 8, completed: 8, failed: 0 },
      usage: { input_tokens: 240, output_tokens: 16, total_tokens: 256 },
    });
    expect([object.in_progress_at, object.finalizing_at, object.completed_at]).not.toContain(undefined);
    expect(object.error_file_id).toBeUndefined();
    expect(output.map((result) => result.custom_id)).toEqual(['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8']);
    expect(output[2]).toMatchObject({
      response: { status_code: 200, request_id: lineRequestId(id, 3), body: { object: 'chat.completion' } },
      error: null,
    });
    expect(new Set(output.map((result) => result.id)).size).toBe(8);
    expect(errors).toEqual([]);
    expect(await world.keys('requests/')).toEqual([]);
    expect(await world.redis.keys(`${world.prefix}:outcomes:*`)).toEqual([]);
    expect(await world.records.batches.open(10)).toEqual([]);
    expect((await world.queues.batch.getJobs()).length).toBe(0);
  });

  it('records its files as the tenant, with size and hash', async () => {
    const id = await world.submit(inputOf(2));
    await world.drain();
    const { object } = await world.record(id);
    const file = await world.records.files.find(TENANT, object.output_file_id ?? '');
    const info = await world.store.head(storeKeys.file(object.output_file_id ?? ''));
    expect(file).toMatchObject({
      object: { purpose: 'batch_output', bytes: info?.bytes, filename: `${id}_output.jsonl` },
    });
    expect(await world.records.files.find('other', object.output_file_id ?? '')).toBeUndefined();
  });

  it('leaves files that expire when its creator wished so, both of them', async () => {
    const id = await world.submit(inputOf(2), { outputExpirySeconds: 3_600 });
    world.generate = (job, answer) => answer(job.requestId.endsWith('_2') ? 400 : 200);
    await world.drain();
    const { output_file_id, error_file_id } = (await world.record(id)).object;
    const now = Math.floor(Date.now() / 1_000);
    for (const fileId of [output_file_id, error_file_id]) {
      const { created_at = 0, expires_at } = (await world.records.files.find(TENANT, fileId ?? ''))?.object ?? {};
      expect(expires_at).toBe(created_at + 3_600);
    }
    expect(await world.records.files.expired(now, 10)).toEqual([]);
    const due = await world.records.files.expired(now + 3_600, 10);
    expect(due.map(({ object }) => object.id).sort()).toEqual([output_file_id, error_file_id].sort());
  });

  it('counts while it runs', async () => {
    const id = await world.submit(inputOf(5));
    await world.runBatchJob();
    expect((await world.record(id)).object.request_counts).toEqual({ total: 5, completed: 0, failed: 0 });
    await world.runPrepare();
    await world.runGenerate();
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: 'in_progress', request_counts: { total: 5, completed: 1, failed: 0 } });
    expect(object.usage).toMatchObject({ total_tokens: 32 });
  });

  it('puts no more lines than a window into the queues', async () => {
    await world.submit(inputOf(8));
    let most = 0;
    const queue = world.queues.generate(MODEL);
    while (await world.runBatchJob()) {
      most = Math.max(most, await queue.getJobCountByTypes('waiting-children', 'waiting', 'prioritized'));
      while (await world.runPrepare());
      while (await world.runGenerate());
    }
    expect(most).toBe(3);
  });

  it('takes blank lines, CRLF, a byte order mark and a last line without an end', async () => {
    const id = await world.submit(`\ufeff${line('a')}\r\n\r\n   \n${line('b')}\n\n${line('ü')}`);
    world.generate = async (job, answer) => {
      const { source } = job;
      if (source.kind !== 'line') throw new Error('not a line');
      const stream = await world.store.get(source.fileKey, { start: source.start, length: source.length });
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece as Buffer);
      JSON.parse(Buffer.concat(pieces).toString());
      await answer();
    };
    await world.drain();
    const { output } = await world.results(id);
    expect(output.map((result) => [result.custom_id, result.response?.request_id])).toEqual([
      ['a', lineRequestId(id, 1)],
      ['b', lineRequestId(id, 4)],
      ['ü', lineRequestId(id, 6)],
    ]);
  });

  it('says of failed lines what their endpoint says', async () => {
    const id = await world.submit(inputOf(3));
    world.generate = (job, answer) => answer(job.requestId.endsWith('_2') ? 400 : 200);
    await world.drain();
    const { output, errors } = await world.results(id);
    expect(output.map((result) => result.custom_id)).toEqual(['c1', 'c3']);
    expect(errors).toMatchObject([
      { custom_id: 'c2', response: { status_code: 400, body: { error: { code: 'invalid_document' } } }, error: null },
    ]);
    expect((await world.record(id)).object.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
  });

  it('ends although a line fails for good without an outcome', async () => {
    const id = await world.submit(inputOf(4));
    world.generate = (job, answer) => (job.requestId.endsWith('_2') ? Promise.reject(new Error('died')) : answer());
    await world.drain();
    const { output, errors } = await world.results(id);
    expect(await statusOf(id)).toBe('completed');
    expect(output.map((result) => result.custom_id)).toEqual(['c1', 'c3', 'c4']);
    expect(errors).toMatchObject([{ custom_id: 'c2', response: null, error: { code: 'internal_error' } }]);
  });

  it('says so where an answer was lost', async () => {
    const id = await world.submit(inputOf(2));
    world.generate = async (job, answer) => {
      await answer();
      const outcome = await world.records.outcomes.find(job);
      if (job.requestId.endsWith('_1')) await world.store.delete(outcome?.key ?? '');
    };
    await world.drain();
    const { output, errors } = await world.results(id);
    expect(output.map((result) => result.custom_id)).toEqual(['c2']);
    expect(errors).toMatchObject([{ custom_id: 'c1', error: { code: 'internal_error' } }]);
    expect((await world.record(id)).object.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
  });
});

describe('bad lines', () => {
  it('go to the error file, each with its number and reason', async () => {
    const lines = [
      line('good'),
      '{"custom_id": "broken", ',
      line('get', { method: 'GET' }),
      '{"method":"POST","url":"/v1/chat/completions","body":{}}',
      line('unknown', { model: 'gpt-9' }),
      line('bodyless', { body: { messages: 'x' } }),
      `{"custom_id":"${'x'.repeat(100_001)}"}`,
      '[]',
    ];
    const id = await world.submit(lines.join('\n'));
    await world.drain();
    const { output, errors } = await world.results(id);
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: 'completed', request_counts: { total: 8, completed: 1, failed: 7 } });
    expect(output.map((result) => result.custom_id)).toEqual(['good']);
    expect(errors).toMatchObject([
      { custom_id: null, response: null, error: { code: 'invalid_json_line', line: 2 } },
      { custom_id: 'get', response: null, error: { code: 'invalid_request', line: 3 } },
      { custom_id: null, response: null, error: { code: 'invalid_request', line: 4 } },
      {
        custom_id: 'unknown',
        response: { status_code: 404, body: { error: { code: 'model_not_found' } } },
        error: null,
      },
      {
        custom_id: 'bodyless',
        response: { status_code: 400, body: { error: { code: 'invalid_request', param: 'model' } } },
      },
      { custom_id: null, error: { code: 'line_too_long', line: 7 } },
      { custom_id: null, error: { code: 'invalid_request', line: 8 } },
    ]);
    expect(errors[0].error?.message).toContain('line 2, column 25');
    expect(errors[5].error?.message).toContain('the limit is 100000 bytes');
    expect(object.model).toBe(MODEL);
  });

  it('have keys that no line has', async () => {
    const id = await world.submit([line('a'), line('b', { max_tokens: 5 })].join('\n'));
    await world.drain();
    const { output, errors } = await world.results(id);
    expect(output.map((result) => result.custom_id)).toEqual(['a']);
    expect(errors).toMatchObject([{ custom_id: 'b', error: { code: 'invalid_request', line: 2 } }]);
    expect(errors[0].error?.message).toBe('Unrecognized key: "max_tokens"; known are custom_id, method, url, body');
  });

  it('are not UTF-8', async () => {
    const id = await world.submit(
      Buffer.concat([Buffer.from(`${line('a')}\n`), Buffer.from([0x22, 0xff, 0x22, 0x0a])]),
    );
    await world.drain();
    expect((await world.results(id)).errors).toMatchObject([
      { custom_id: null, error: { code: 'invalid_json_line', message: 'the line is not UTF-8', line: 2 } },
    ]);
  });
});

describe('a file that is bad as a whole', () => {
  const one = line('a');
  it.each([
    ['nothing in it', '', [{ code: 'empty_file', line: null }]],
    ['blank lines only', '\n \r\n\n', [{ code: 'empty_file', line: null }]],
    ['no JSONL', 'Dear sirs,\nplease answer', [{ code: 'invalid_json_line', line: 1 }, { line: 2 }]],
    ['unknown models only', line('a', { model: 'x' }), [{ code: 'model_not_found', line: 1, param: 'body.model' }]],
    [
      'a custom_id twice',
      [one, line('b'), '{', one, line('b', { model: 'x' })].join('\n'),
      [
        { code: 'duplicate_custom_id', line: 4, param: 'custom_id' },
        { code: 'duplicate_custom_id', line: 5 },
      ],
    ],
    [
      'too many lines',
      '{}\n'.repeat(50_001),
      [{ code: 'too_many_lines', message: expect.stringContaining('50000') as string }],
    ],
  ])('with %s fails at validation', async (_, content, data) => {
    const id = await world.submit(content);
    await world.drain();
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: 'failed', errors: { object: 'list', data } });
    expect(object.failed_at).toBeDefined();
    expect([object.in_progress_at, object.output_file_id, object.error_file_id]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(world.generated.size).toBe(0);
  });

  it('lists 100 errors at most', async () => {
    const id = await world.submit('{}\n'.repeat(150));
    await world.drain();
    expect((await world.record(id)).object.errors?.data).toHaveLength(100);
  });

  it('fails when the file is gone, before or after its validation', async () => {
    const id = await world.submit(inputOf(2));
    await world.store.delete((await world.record(id)).inputKey);
    const later = await world.submit(inputOf(9));
    await world.runBatchJob();
    await world.runBatchJob();
    await world.store.delete((await world.record(later)).inputKey);
    await world.drain();
    for (const batch of [id, later]) {
      expect((await world.record(batch)).object).toMatchObject({
        status: 'failed',
        errors: { data: [{ code: 'input_file_missing' }] },
      });
    }
  });
});

describe.each(['cancelled', 'expired'] as const)('the files of a batch that is %s', (ending) => {
  it('hold what was answered and what was not, and expire so long after its end, however long it ran', async () => {
    const id = await world.submit(inputOf(3), { outputExpirySeconds: 3_600 });
    await world.runBatchJob();
    await world.runPrepare();
    await world.runGenerate();
    const began = Math.floor(Date.now() / 1_000) - 86_400;
    await world.records.batches.update(id, (found) => ({ ...found, object: { ...found.object, created_at: began } }));
    if (ending === 'cancelled') await world.control.cancel(TENANT, id);
    else await world.control.expire(id);
    await world.drain();
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: ending, request_counts: { total: 3, completed: 1, failed: 2 } });
    const { output, errors } = await world.results(id);
    expect(output).toMatchObject([{ custom_id: 'c1', response: { status_code: 200 }, error: null }]);
    expect(errors).toMatchObject([
      { custom_id: 'c2', response: null, error: { code: `batch_${ending}` } },
      { custom_id: 'c3', response: null, error: { code: `batch_${ending}` } },
    ]);
    for (const fileId of [object.output_file_id, object.error_file_id]) {
      const { object: file } = (await world.records.files.find(TENANT, fileId ?? '')) ?? {};
      expect(file?.created_at).toBeGreaterThan(began + 80_000);
      expect(file?.expires_at).toBe(Number(file?.created_at) + 3_600);
    }
  });
});

describe('cancelling', () => {
  it('takes waiting lines out at once, lets the running one end, and keeps what is answered', async () => {
    const id = await world.submit(inputOf(7));
    await world.runBatchJob();
    await world.runPrepare();
    await world.runPrepare();
    await world.runGenerate();
    // c1 is answered, c2 runs, c3 is not prepared, c4 to c7 are not queued.
    const running = await world.take(`generate.${MODEL}`);
    const cancelling = await world.control.cancel(TENANT, id);
    expect(cancelling.object).toMatchObject({ status: 'cancelling' });
    expect(cancelling.object.cancelling_at).toBeDefined();
    expect(await world.queues.prepare(MODEL).getJobCountByTypes('waiting', 'prioritized')).toBe(0);
    expect(await world.queues.generate(MODEL).getJobCountByTypes('waiting-children', 'prioritized')).toBe(0);
    expect(await world.records.cancellations.find([id])).toEqual(new Map([[id, 'cancelled']]));
    expect(await world.runBatchJob()).toBe(false);
    expect(await statusOf(id)).toBe('cancelling');

    await running?.job.moveToCompleted({ state: 'settled' }, running.token, false);
    await world.drain();
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: 'cancelled', request_counts: { total: 7, completed: 1, failed: 6 } });
    expect(object.cancelled_at).toBeDefined();
    const { output, errors } = await world.results(id);
    expect(output.map((result) => result.custom_id)).toEqual(['c1']);
    // With its number each is known also where the input file is not there any more.
    expect(errors.map((result) => [result.custom_id, result.error?.code, result.error?.line])).toEqual(
      [2, 3, 4, 5, 6, 7].map((line) => [`c${line}`, 'batch_cancelled', line]),
    );
    expect(await world.keys('requests/')).toEqual([]);
  });

  it('wakes a batch whose lines were all waiting', async () => {
    const id = await world.submit(inputOf(3));
    await world.runBatchJob();
    expect(await world.runBatchJob()).toBe(false);
    await world.control.cancel(TENANT, id);
    expect(await world.runBatchJob()).toBe(true);
    expect(await statusOf(id)).toBe('cancelled');
    expect((await world.results(id)).errors).toHaveLength(3);
  });

  it('takes out lines that wait for their turn, for room or for another attempt', async () => {
    const id = await world.submit(inputOf(3));
    await world.runBatchJob();
    while (await world.runPrepare());
    const delayed = await world.take(`generate.${MODEL}`);
    await delayed?.job.moveToDelayed(Date.now() + 60_000, delayed.token);
    expect(await world.queues.generate(MODEL).getJobCounts('delayed', 'prioritized')).toEqual({
      delayed: 1,
      prioritized: 2,
    });
    await world.control.cancel(TENANT, id);
    expect(await world.queues.generate(MODEL).getJobCounts('delayed', 'prioritized')).toEqual({
      delayed: 0,
      prioritized: 0,
    });
    await world.runBatchJob();
    expect(await statusOf(id)).toBe('cancelled');
  });

  it('counts a line that was stopped as one that never ran', async () => {
    const id = await world.submit(inputOf(1));
    await world.runBatchJob();
    await world.runPrepare();
    world.generate = async (_, answer) => {
      await world.control.cancel(TENANT, id);
      await answer(499);
    };
    await world.drain();
    expect((await world.results(id)).errors).toMatchObject([{ response: null, error: { code: 'batch_cancelled' } }]);
  });

  it('ends a batch before it is validated, without files', async () => {
    const id = await world.submit(inputOf(3));
    await world.control.cancel(TENANT, id);
    await world.control.cancel(TENANT, id);
    await world.drain();
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: 'cancelled', request_counts: { total: 0, completed: 0, failed: 0 } });
    expect(object.error_file_id).toBeUndefined();
  });

  it('is refused where there is nothing to cancel', async () => {
    const id = await world.submit(inputOf(1));
    await expect(world.control.cancel('other', id)).rejects.toMatchObject({ code: 'not_found' });
    await world.drain();
    const conflict = await world.control.cancel(TENANT, id).catch((error: unknown) => error as MadakvError);
    expect(conflict).toMatchObject({ code: 'conflict', message: expect.stringContaining('completed') as string });
    expect(await statusOf(id)).toBe('completed');
  });
});

describe('expiring', () => {
  it('does the same when the time of a batch is over', async () => {
    const id = await world.submit(inputOf(5));
    await world.runBatchJob();
    await world.runPrepare();
    await world.runGenerate();
    const expiry = await world.queues.batch.getJob(`${id}.expire`);
    expect(await expiry?.isDelayed()).toBe(true);
    await expiry?.promote();
    await world.drain();
    const { object } = await world.record(id);
    expect(object).toMatchObject({ status: 'expired', request_counts: { total: 5, completed: 1, failed: 4 } });
    expect(object.expired_at).toBeDefined();
    const { output, errors } = await world.results(id);
    expect(output.map((result) => result.custom_id)).toEqual(['c1']);
    expect(errors.map((result) => result.error?.code)).toEqual(Array(4).fill('batch_expired'));
    expect(world.generated.size).toBe(1);
  });

  it('leaves no job behind when the batch ends before', async () => {
    const id = await world.submit(inputOf(1));
    await world.drain();
    expect(await world.queues.batch.getJob(`${id}.expire`)).toBeUndefined();
    await world.control.expire(id);
    await world.drain();
    expect(await statusOf(id)).toBe('completed');
  });

  it('is not cancelling', async () => {
    const id = await world.submit(inputOf(1));
    await world.control.expire(id);
    await expect(world.control.cancel(TENANT, id)).rejects.toMatchObject({ code: 'conflict' });
    const other = await world.submit(inputOf(1));
    await world.control.cancel(TENANT, other);
    await world.control.expire(other);
    await world.drain();
    expect([await statusOf(id), await statusOf(other)]).toEqual(['expired', 'cancelled']);
  });
});

it('runs lines of several models in their own queues', async () => {
  await world.announce('other');
  const id = await world.submit([line('a'), line('b', { model: 'other' }), line('c')].join('\n'));
  await world.drain([MODEL, 'other']);
  const { object } = await world.record(id);
  expect(object).toMatchObject({ status: 'completed', request_counts: { completed: 3 } });
  expect(object.model).toBeUndefined();
});
