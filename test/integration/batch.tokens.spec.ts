import { GroupJobSchema, modelQueue } from '@madakv/contracts';
import { dayOf, hasEnded, type QuotaState } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { settlementOf } from './settlement.fixture.js';
import { BatchWorld, inputOf, line, MODEL, TENANT } from './batch.world.js';

/** What a line of `inputOf` is taken for: 18 bytes of text, and 256 tokens of an answer. */
const LINE = 5 + 256;
/** What it comes to. */
const TRUE = 32;
const limitsOf = (tokensPerDay: number | null, queuedTokens: number | null = null) => ({ tokensPerDay, queuedTokens });

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

/** As of the day on which the batch was created. */
async function stateOf(id: string): Promise<QuotaState> {
  return world.records.quota.state(TENANT, (await world.record(id)).object.created_at * 1_000);
}

async function failureOf(id: string): Promise<{ code: string; message: string } | undefined> {
  const { status, errors } = (await world.record(id)).object;
  return status === 'failed' ? errors?.data[0] : undefined;
}

describe('tokens of a batch', () => {
  it('are reserved when it is validated, and given back line by line for what each came to', async () => {
    const id = await world.submit(inputOf(5), { limits: limitsOf(5 * LINE, 5 * LINE) });
    await world.runBatchJob();
    expect(await stateOf(id)).toEqual({ used: 0, reserved: 5 * LINE, queued: 5 * LINE });
    await world.runPrepare();
    await world.runGenerate();
    expect(await stateOf(id)).toEqual({ used: TRUE, reserved: 4 * LINE, queued: 4 * LINE });
    await world.drain();
    expect(await stateOf(id)).toEqual({ used: 5 * TRUE, reserved: 0, queued: 0 });
    expect(await world.redis.exists(world.records.keys.reservations(TENANT))).toBe(0);
    const { created_at } = (await world.record(id)).object;
    const day = dayOf(created_at * 1_000);
    expect(await world.records.usage.days(TENANT, day, day)).toMatchObject([
      { model: MODEL, requests: 5, errors: 0, promptTokens: 150, completionTokens: 10 },
    ]);
  });

  it.each([
    ['of a day', limitsOf(3 * LINE - 1), `${3 * LINE - 1} tokens a day`],
    ['at a time', limitsOf(null, 3 * LINE - 1), `${3 * LINE - 1} queued tokens`],
  ])('that are too many %s fail it, in the code of OpenAI', async (_, limits, said) => {
    const id = await world.submit(inputOf(3), { limits });
    await world.drain();
    const failure = await failureOf(id);
    expect(failure).toMatchObject({ code: 'token_limit_exceeded', line: null, param: 'input_file_id' });
    expect(failure?.message).toContain(`taken for ${3 * LINE} tokens`);
    expect(failure?.message).toContain(said);
    expect(failure?.message).toContain('alone more than the limit, send fewer at a time');
    expect(await stateOf(id)).toEqual({ used: 0, reserved: 0, queued: 0 });
    expect(world.generated.size).toBe(0);
  });

  it('count the tokens of others, and the next fits once one has ended; lines of what was accepted all run', async () => {
    const limits = limitsOf(null, 8 * LINE);
    const first = await world.submit(inputOf(6), { limits });
    await world.runBatchJob();
    const second = await world.submit(inputOf(3), { limits: limitsOf(null, 8 * LINE) });
    await world.runBatchJob();
    expect((await failureOf(second))?.message).toContain(`${6 * LINE} are queued`);
    expect((await failureOf(second))?.message).toContain('try again once other requests have ended');
    // Whatever the limits have become since, what was accepted is run.
    await world.drain();
    expect((await world.record(first)).object.request_counts).toEqual({ total: 6, completed: 6, failed: 0 });
    const third = await world.submit(inputOf(3), { limits });
    await world.drain();
    expect((await world.record(third)).object.status).toBe('completed');
  });

  it.each([
    ['once others have ended, where these have it reserved', 0, 'try again once other requests have ended'],
    ['tomorrow, where it is used', 5 * LINE - TRUE, 'try again tomorrow (UTC)'],
  ])('that find no room in the day are told to come back %s', async (_, extra, advice) => {
    const tokensPerDay = 5 * LINE;
    const first = await world.submit(inputOf(3), { limits: limitsOf(tokensPerDay) });
    await world.runBatchJob();
    const { created_at } = (await world.record(first)).object;
    if (extra > 0) {
      const ref = { requestId: 'chatcmpl-1', source: { kind: 'body', fileKey: 'f' } as const };
      const usage = { prompt_tokens: extra, completion_tokens: 0, total_tokens: extra };
      const outcome = { state: 'completed', key: 'k', usage } as const;
      await world.records.outcomes.commit(
        ref,
        outcome,
        settlementOf(ref, outcome, { tenant: TENANT, acceptedAtMs: created_at * 1_000 }),
      );
    }
    const second = await world.submit(inputOf(3), { limits: limitsOf(tokensPerDay) });
    await world.runBatchJob();
    expect((await failureOf(second))?.message).toContain(advice);
  });

  it('are not reserved for lines that cannot be run, and are given back for those that fail', async () => {
    const lines = [line('a'), line('b', { model: 'unknown' }), '{', line('c')].join('\n');
    const id = await world.submit(lines, { limits: limitsOf(2 * LINE) });
    world.generate = (job, answer) => answer(job.requestId.endsWith('_4') ? 400 : 200);
    await world.runBatchJob();
    expect(await stateOf(id)).toEqual({ used: 0, reserved: 2 * LINE, queued: 2 * LINE });
    await world.drain();
    expect(await stateOf(id)).toEqual({ used: TRUE, reserved: 0, queued: 0 });
    const day = dayOf(Date.now());
    expect(await world.records.usage.days(TENANT, day - 1, day)).toMatchObject([{ requests: 2, errors: 1 }]);
  });

  it('are given back for a line that came to nothing at all', async () => {
    const id = await world.submit(inputOf(2));
    world.generate = (job, answer) => (job.requestId.endsWith('_1') ? Promise.reject(new Error('for good')) : answer());
    await world.drain();
    expect((await world.record(id)).object.status).toBe('completed');
    expect(await stateOf(id)).toEqual({ used: TRUE, reserved: 0, queued: 0 });
  });

  it.each(['cancel', 'expire'] as const)(
    'of what was not answered are given back when the batch is to %s',
    async (how) => {
      const id = await world.submit(inputOf(7));
      await world.runBatchJob();
      await world.runPrepare();
      await world.runGenerate();
      if (how === 'cancel') await world.control.cancel(TENANT, id);
      else await world.control.expire(id);
      await world.drain();
      expect((await world.record(id)).object.status).toBe(how === 'cancel' ? 'cancelled' : 'expired');
      expect(await stateOf(id)).toEqual({ used: TRUE, reserved: 0, queued: 0 });
    },
  );

  it('are reserved once by a worker that died over the validation, and its heir', async () => {
    const id = await world.submit(inputOf(4), { limits: limitsOf(4 * LINE) });
    vi.spyOn(world.records.batches, 'update').mockRejectedValueOnce(new Error('died'));
    await expect(world.runBatchJob()).rejects.toThrow('died');
    expect(await stateOf(id)).toMatchObject({ reserved: 4 * LINE });
    await world.drain();
    expect((await world.record(id)).object.status).toBe('completed');
    expect(await stateOf(id)).toEqual({ used: 4 * TRUE, reserved: 0, queued: 0 });
  });

  it('are given back by the heir of a worker that died over it', async () => {
    const id = await world.submit(inputOf(1));
    vi.spyOn(world.records.quota, 'release').mockRejectedValueOnce(new Error('died'));
    world.generate = () => Promise.reject(new Error('for good'));
    await expect(world.drain()).rejects.toThrow('died');
    expect((await world.record(id)).object.status).toBe('finalizing');
    expect(await stateOf(id)).toMatchObject({ reserved: LINE });
    await world.drain();
    expect(await stateOf(id)).toEqual({ used: 0, reserved: 0, queued: 0 });
  });

  it('are given back before anybody is told that it ended', async () => {
    const id = await world.submit(inputOf(2));
    world.generate = () => Promise.reject(new Error('for good'));
    const queued: number[] = [];
    const { batches } = world.records;
    const update = batches.update.bind(batches);
    vi.spyOn(batches, 'update').mockImplementation(async (...args) => {
      const record = await update(...args);
      if (hasEnded(record.object.status)) queued.push((await stateOf(id)).queued);
      return record;
    });
    await world.drain();
    expect(queued[0]).toBe(0);
  });

  it('do not fail a batch that is cancelled while they are reserved, and too many', async () => {
    const id = await world.submit(inputOf(2), { limits: limitsOf(null, 1) });
    const { quota } = world.records;
    const reserve = quota.reserve.bind(quota);
    vi.spyOn(quota, 'reserve').mockImplementationOnce(async (...args) => {
      await world.control.cancel(TENANT, id);
      return reserve(...args);
    });
    await world.drain();
    expect((await world.record(id)).object).toMatchObject({ status: 'cancelled' });
    expect(await stateOf(id)).toEqual({ used: 0, reserved: 0, queued: 0 });
  });

  it('are not asked for where it was cancelled while its file was read', async () => {
    const id = await world.submit(inputOf(2));
    const { models, quota } = world.records;
    const reserve = vi.spyOn(quota, 'reserve');
    const list = models.list.bind(models);
    vi.spyOn(models, 'list').mockImplementationOnce(async () => {
      await world.control.cancel(TENANT, id);
      return list();
    });
    await world.drain();
    expect((await world.record(id)).object).toMatchObject({ status: 'cancelled' });
    expect(reserve).not.toHaveBeenCalled();
  });

  it('are given back with the batch for lines in an order that an earlier version made', async () => {
    const id = await world.submit(inputOf(5));
    await world.runBatchJob();
    const key = (await world.record(id)).order?.key ?? '';
    const rows = (await text(await world.store.get(key))).trimEnd().split('\n');
    const earlier = rows.map((row) => {
      const { model, lines } = JSON.parse(row) as Record<string, unknown>;
      return `${JSON.stringify({ model, lines })}\n`;
    });
    await world.store.put(key, Buffer.from(earlier.join('')));
    // The first three lines are in the queues already.
    const order = { key, window: 0, byte: earlier.slice(0, 3).join('').length };
    await world.records.batches.update(id, (found) => ({ ...found, order }));
    const seen: (number | undefined)[] = [];
    world.generate = (job, answer) => {
      seen.push(job.reservedTokens);
      return answer();
    };
    await world.drain();
    expect(seen).toEqual([LINE, LINE, LINE, undefined, undefined]);
    expect(await stateOf(id)).toEqual({ used: 5 * TRUE, reserved: 0, queued: 0 });
  });

  it('of an answer that is written twice are counted once', async () => {
    const id = await world.submit(inputOf(1));
    world.generate = async (job) => {
      await Promise.all([world.answer(job), world.answer(job), world.answer(job, 400)]);
    };
    await world.drain();
    const day = dayOf((await world.record(id)).object.created_at * 1_000);
    const [{ requests }] = await world.records.usage.days(TENANT, day, day);
    expect(requests).toBe(1);
    expect(await stateOf(id)).toMatchObject({ reserved: 0, queued: 0 });
  });

  it('are those of the open lines of a group at every moment, however each ends', async () => {
    const model = 'wide';
    const known = { id: model, family: 'qwen2_5_vl', createdAt: 1, maxPositions: 32_768, kvBytesPerToken: 10 };
    await world.records.models.announce({ ...known, seenAtMs: 1 });
    // Each is taken for another figure: a page, the question, an answer of its own length.
    const document = { type: 'file', file: { file_id: 'file-none' } };
    const content = [document, { type: 'text', text: 'What is it?' }];
    const share = (number: number): number => 2_400 + 3 + 10 * number;
    const lines = [1, 2, 3, 4].map((number) =>
      line(`c${number}`, { body: { model, max_tokens: 10 * number, messages: [{ role: 'user', content }] } }),
    );
    const id = await world.submit(lines.join('\n'));
    await world.runBatchJob();
    const open = new Set([1, 2, 3, 4]);
    const expectShares = async (ended?: number): Promise<void> => {
      if (ended !== undefined) open.delete(ended);
      const sum = [...open].reduce((total, number) => total + share(number), 0);
      expect(await stateOf(id)).toMatchObject({ reserved: sum, queued: sum });
    };
    await expectShares();
    await world.runPrepare(model);
    const taken = await world.take(modelQueue('generate', model));
    if (taken === undefined) throw new Error('there is no group');
    const { job, token } = taken;
    const { members } = GroupJobSchema.parse(job.data);
    expect(members).toHaveLength(4);
    await world.answer(members[0]);
    await expectShares(1);
    await world.answer(members[1], 400);
    await expectShares(2);
    // As a worker sends those away whose group cannot be answered together.
    await world.queues.addLines(id, [members[2]], { traceparentOf: () => undefined });
    await expectShares();
    await world.answer(members[3]);
    await job.moveToCompleted({ state: 'settled' }, token, false);
    await expectShares(4);
    await world.runPrepare(model);
    expect(await world.runGenerate(model)).toBe(true);
    await expectShares(3);
    await world.drain([model]);
    expect((await world.record(id)).object.request_counts).toEqual({ total: 4, completed: 3, failed: 1 });
    expect(await stateOf(id)).toEqual({ used: 3 * TRUE, reserved: 0, queued: 0 });
  });

  it('of many lines are reserved and given back to the last one', async () => {
    const count = 600;
    const many = await BatchWorld.open(redis.url, { windowLines: 250 });
    const id = await many.submit(inputOf(count), { limits: limitsOf(count * LINE, count * LINE) });
    await many.runBatchJob();
    expect((await many.records.quota.state(TENANT, Date.now())).queued).toBe(count * LINE);
    await many.drain();
    const { status, created_at } = (await many.record(id)).object;
    expect(status).toBe('completed');
    expect(await many.records.quota.state(TENANT, created_at * 1_000)).toEqual({
      used: count * TRUE,
      reserved: 0,
      queued: 0,
    });
    await many.close();
  });
});
