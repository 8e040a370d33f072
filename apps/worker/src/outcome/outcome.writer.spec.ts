import {
  MadakvError,
  RequestAnswerSchema,
  storeKeys,
  type AnsweredTrace,
  type AnswerEvent,
  type BodySource,
  type ChatCompletion,
  type EndedRequest,
  type FailedTrace,
  type Outcome,
} from '@madakv/contracts';
import type { RequestRef, RequestSettlement } from '@madakv/records';
import { LocalFileStore, type FileStore } from '@madakv/storage';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OutcomeWriter } from './outcome.writer.js';

const LINE: BodySource = { kind: 'line', batchId: 'batch_a', line: 3, fileKey: 'files/f', start: 0, length: 9 };
const WHOSE = { tenant: 'acme', model: 'm', acceptedAtMs: 7_000 };
const REQUEST = { requestId: 'batch_a_3', customId: 'mine', source: LINE, ...WHOSE, reservedTokens: 90 };
const OF = { id: 'batch_a_3', tenant: 'acme', model: 'm', batchId: 'batch_a' };
const CACHE = { ratio: 0.2, bytes: { full: 100, afterEviction: 20 } };
/** Told apart by their attempt only. */
const trace = (attempt = 1) =>
  ({ ...OF, attempt, error: null, cache: CACHE, ms: { total: 50, decode: 30 } }) as AnsweredTrace;
const failure = (attempt = 1) => ({ ...OF, attempt, error: { code: 'timeout' }, ms: { total: null } }) as FailedTrace;
const BODY: BodySource = { kind: 'body', fileKey: 'f' };
const CHAT = { requestId: 'chatcmpl-1', customId: null, source: BODY, ...WHOSE, reservedTokens: 90 };

let folder: string;
let store: FileStore;
let outcomes: FakeOutcomes;
let events: [string, AnswerEvent][];
let ended: EndedRequest[];
let writer: OutcomeWriter;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'madakv-outcome-'));
  store = await LocalFileStore.open(folder);
  outcomes = new FakeOutcomes();
  events = [];
  ended = [];
  const append = (id: string, event: AnswerEvent): Promise<void> => {
    events.push([id, event]);
    return Promise.resolve();
  };
  const count = (request: EndedRequest): Promise<void> => {
    ended.push(request);
    return Promise.reject(new Error('nobody counts'));
  };
  writer = new OutcomeWriter(store, outcomes, { append }, { ended: count });
});

afterEach(() => rm(folder, { recursive: true }));

it('counts each request once, by the outcome that stands', async () => {
  await writer.complete(REQUEST, completion('first'), trace());
  await writer.complete(REQUEST, completion('second'), trace(2));
  expect(ended).toEqual([
    {
      ...OF,
      customId: 'mine',
      errorCode: null,
      endedAtMs: expect.any(Number) as number,
      totalMs: 50,
      firstTokenMs: 20,
      grantedRatio: 0.2,
      fullBytes: 100,
      keptBytes: 20,
    },
  ]);
});

it('counts the caches of all its questions', async () => {
  const other = { ...trace(), cache: { ratio: 0.4, bytes: { full: 50, afterEviction: 20 } } } as AnsweredTrace;
  await writer.complete(REQUEST, completion('one'), trace(), other);
  expect(ended).toMatchObject([{ fullBytes: 150, keptBytes: 40, grantedRatio: expect.closeTo(0.3) as number }]);
});

it('counts one that failed by its code', async () => {
  await writer.fail(REQUEST, new MadakvError('timeout', 'late'), failure());
  expect(ended).toMatchObject([{ errorCode: 'timeout', totalMs: 0, firstTokenMs: null }]);
});

it('settles what each came to with its outcome: of a line its share of the batch, of a chat all', async () => {
  await writer.complete(REQUEST, completion('one'), trace());
  await writer.fail(CHAT, new MadakvError('timeout', 'late'), failure());
  const counts = { requests: 1, errors: 0, promptTokens: 3, cachedTokens: 1, completionTokens: 2 };
  const none = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, fullBytes: 0, keptBytes: 0 };
  expect(outcomes.settled).toEqual([
    { ...WHOSE, reservation: 'batch_a', reservedTokens: 90, counts: { ...counts, fullBytes: 100, keptBytes: 20 } },
    { ...WHOSE, reservation: 'chatcmpl-1', reservedTokens: undefined, counts: { ...none, requests: 1, errors: 1 } },
  ]);
});

it.each([
  ['of a chat that was hung up on', CHAT, 'cancelled', [7, 3]],
  ['not of one that failed', CHAT, 'timeout', [0, 0]],
  ['not of a line', REQUEST, 'cancelled', [0, 0]],
] as const)('counts what was spent %s', async (_, request, code, [promptTokens, completionTokens]) => {
  const spent = { promptTokens: 7, completionTokens: 3 };
  await writer.fail(request, new MadakvError(code, 'over'), failure(), spent);
  expect(outcomes.settled).toMatchObject([{ counts: { requests: 1, errors: 1, promptTokens, completionTokens } }]);
  expect(outcomes.of.get(request.requestId)).not.toHaveProperty('usage');
});

it('writes the answer, then commits where it lies', async () => {
  expect(await writer.complete(REQUEST, completion('one'), trace())).toBe(true);
  const outcome = outcomes.of.get('batch_a_3');
  expect(outcome).toMatchObject({ state: 'completed', usage: { total_tokens: 5 } });
  expect(await answer(outcome)).toEqual({
    requestId: 'batch_a_3',
    customId: 'mine',
    status: 200,
    body: completion('one'),
  });
});

it('turns an error into the body and status that its caller sees', async () => {
  const error = new MadakvError('invalid_document', 'locked', { reason: 'encrypted_pdf', param: 'messages.0' });
  expect(await writer.fail(REQUEST, error, failure())).toBe(true);
  expect(await answer(outcomes.of.get('batch_a_3'))).toMatchObject({
    status: 400,
    body: { error: { message: 'locked', code: 'encrypted_pdf', param: 'messages.0' } },
  });
  expect(await traced()).toEqual(failure());
});

it('leaves the answer that was committed first, and no other', async () => {
  await writer.complete(REQUEST, completion('first'), trace());
  expect(await writer.complete(REQUEST, completion('second'), trace(2))).toBe(false);
  expect(await writer.fail(REQUEST, new MadakvError('timeout', 'late'), failure(3))).toBe(false);
  expect(await answer(outcomes.of.get('batch_a_3'))).toMatchObject({ body: completion('first') });
  expect(await answerKeys()).toHaveLength(1);
  expect(await traced()).toEqual(trace(1));
});

it('leaves no file of an answer that another one overtook while it was written', async () => {
  outcomes.overtakenBy = { state: 'completed', key: 'requests/batch_a_3/answer.other.json' };
  expect(await writer.complete(REQUEST, completion('slow'), trace())).toBe(false);
  expect(await answerKeys()).toEqual([]);
});

it('keeps the file when the same answer is written twice', async () => {
  await writer.complete(REQUEST, completion('same'), trace());
  expect(await writer.complete(REQUEST, completion('same'), trace())).toBe(false);
  expect(await answerKeys()).toHaveLength(1);
});

it('leaves no file of an answer that came after its batch had ended', async () => {
  outcomes.closed = true;
  expect(await writer.complete(REQUEST, completion('late'), trace())).toBe(false);
  expect(await answerKeys()).toEqual([]);
});

it('commits nothing when the file cannot be written', async () => {
  const broken = new OutcomeWriter(
    { put: () => Promise.reject(new Error('disk full')), delete: () => Promise.resolve() },
    outcomes,
    { append: () => Promise.resolve() },
    { ended: () => Promise.resolve() },
  );
  await expect(broken.complete(REQUEST, completion('x'), trace())).rejects.toThrow('disk full');
  expect(outcomes.of.size).toBe(0);
});

it("tells a chat's readers of its end, again at every later attempt, and is silent about lines", async () => {
  expect(await writer.isSettled(CHAT)).toBe(false);
  expect(events).toEqual([]);
  await writer.complete(CHAT, completion('hello'), trace());
  expect(await writer.isSettled(CHAT)).toBe(true);
  expect(events).toEqual([
    ['chatcmpl-1', { kind: 'end' }],
    ['chatcmpl-1', { kind: 'end' }],
  ]);
  await writer.complete(REQUEST, completion('line'), trace());
  expect(await writer.isSettled(REQUEST)).toBe(true);
  expect(events).toHaveLength(2);
});

class FakeOutcomes {
  readonly of = new Map<string, Outcome>();
  readonly settled: RequestSettlement[] = [];
  closed = false;
  /** Committed by someone else right before the next commit. */
  overtakenBy: Outcome | undefined;

  commit({ requestId }: RequestRef, outcome: Outcome, settlement: RequestSettlement): Promise<boolean> {
    if (this.overtakenBy !== undefined) this.of.set(requestId, this.overtakenBy);
    if (this.closed || this.of.has(requestId)) return Promise.resolve(false);
    this.of.set(requestId, outcome);
    this.settled.push(settlement);
    return Promise.resolve(true);
  }

  has({ requestId }: RequestRef): Promise<boolean> {
    return Promise.resolve(this.of.has(requestId));
  }

  find({ requestId }: RequestRef): Promise<Outcome | undefined> {
    return Promise.resolve(this.of.get(requestId));
  }
}

async function answer(outcome: Outcome | undefined): Promise<unknown> {
  return RequestAnswerSchema.parse(JSON.parse(await text(await store.get(outcome?.key ?? ''))));
}

async function traced(): Promise<unknown> {
  return JSON.parse(await text(await store.get(storeKeys.trace('batch_a_3'))));
}

async function answerKeys(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list('requests/')) found.push(key);
  return found;
}

function completion(content: string): ChatCompletion {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'reader',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 3,
      completion_tokens: 2,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 1 },
    },
    madakv: {
      trace_id: 't',
      policy: 'madakv',
      cache_ratio: 0.2,
      requested_cache_ratio: 0.2,
      prompt_tokens: { text: 3 },
      bytes: { full: 10, peak: 9, kept: 2 },
      warnings: [],
    },
  };
}
