import type { Engine, GenerationRequest } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { AnswerFormat } from '@madakv/grammar';
import { answerConstraint } from '@madakv/requests';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, loadEngine, request, temporaryCache } from './engine.fixture.js';

const cacheDir = temporaryCache();

const ROW = {
  type: 'object',
  properties: { kind: { enum: ['tax', 'total', 'Größe'] }, amount: { type: 'integer', minimum: 0, maximum: 99 } },
  required: ['kind', 'amount'],
  additionalProperties: false,
};
const SCHEMA = {
  type: 'object',
  properties: {
    rows: { type: 'array', items: { $ref: '#/$defs/row' }, minItems: 1, maxItems: 2 },
    paid: { type: ['boolean', 'null'] },
    name: { type: 'string', maxLength: 4 },
  },
  required: ['rows', 'paid', 'name'],
  additionalProperties: false,
  $defs: { row: ROW },
};
const FORMAT: AnswerFormat = { kind: 'json_schema', schema: SCHEMA, strict: true };

interface Answer {
  rows: { kind: string; amount: number }[];
  paid: boolean | null;
  name: string;
}

function expectValid(text: string): void {
  const answer = JSON.parse(text) as Answer;
  expect(Object.keys(answer)).toEqual(['rows', 'paid', 'name']);
  expect(answer.rows.length === 1 || answer.rows.length === 2).toBe(true);
  for (const { kind, amount } of answer.rows) {
    expect(['tax', 'total', 'Größe']).toContain(kind);
    expect(Number.isInteger(amount) && amount >= 0 && amount <= 99).toBe(true);
  }
  expect([true, false, null]).toContain(answer.paid);
  expect(Array.from(answer.name).length).toBeLessThanOrEqual(4);
}

describe.each(['qwen-plain one-image', 'llava-plain one-image'])('answers as JSON about %s', (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadEngine(fixture(name).checkpoint, cacheDir, { maxSequences: 16 });
  });

  const ask = async (
    changes: Partial<GenerationRequest> = {},
    format: AnswerFormat = FORMAT,
  ): Promise<GenerationRequest> => {
    const { messages, images } = fixture(name);
    const prompt = await engine.model.prepare(messages, images);
    return request(prompt, {
      maxTokens: 400,
      stopIds: engine.model.config.tokens.eos,
      policy: createPolicy('snapkv'),
      cacheRatio: 0.5,
      constraint: await answerConstraint(engine.model, format),
      ...changes,
    });
  };

  it('are valid, greedy or drawn, with penalties and log-probabilities, under both protocols, alone and in a group', async () => {
    const changes: Partial<GenerationRequest>[] = [
      {},
      { protocol: 'plain' },
      ...[1, 2, 3, 4].map((seed) => ({ sampling: { temperature: 2, seed } })),
      { sampling: { temperature: 1, seed: 5, topP: 0.5, topK: 3, repetitionPenalty: 1.5, frequencyPenalty: 2 } },
      { topLogprobs: 5 },
    ];
    const alone = [];
    for (const each of changes) alone.push(await engine.generate(await ask(each)));
    const together = await Promise.all(
      (await Promise.all(changes.map((each) => ask(each)))).map((each) => engine.generate(each)),
    );
    for (const { text, finishReason } of alone) {
      expect(finishReason).toBe('stop');
      expectValid(text);
    }
    expect(together.map(({ text }) => text)).toEqual(alone.map(({ text }) => text));
    for (const { logprobs } of together.at(-1)?.tokens ?? []) {
      const all = logprobs?.top.map(({ logprob }) => Math.exp(logprob)) ?? [];
      expect(all.length).toBeGreaterThan(0);
      expect(all.every((probability) => probability >= 0 && probability <= 1.0001)).toBe(true);
      expect(logprobs?.chosen.logprob).toBeGreaterThan(-Infinity);
    }
  });

  it('that are any object begin as one, and end by length where there is no room', async () => {
    const { text, finishReason, usage } = await engine.generate(await ask({ maxTokens: 2 }, { kind: 'json_object' }));
    expect(text).toMatch(/^\{/);
    expect([finishReason, usage.completionTokens]).toEqual(['length', 2]);
  });

  it('end at the last bracket, with no token more, and before a stop string', async () => {
    const exact: AnswerFormat = { kind: 'json_schema', schema: { const: { a: [1, true] } }, strict: false };
    const whole = await engine.generate(await ask({}, exact));
    expect([whole.text, whole.finishReason]).toEqual(['{"a":[1,true]}', 'stop']);
    const fits = await engine.generate(await ask({ maxTokens: whole.usage.completionTokens }, exact));
    expect([fits.text, fits.finishReason]).toEqual([whole.text, 'stop']);
    const cut = await engine.generate(await ask({ stop: ['true'] }, exact));
    expect([cut.text, cut.finishReason]).toEqual(['{"a":[1,', 'stop']);
  });

  it('free what they were held to, however they end', async () => {
    let freed = 0;
    const counted = async (): Promise<GenerationRequest> => {
      const ready = await ask();
      const { constraint } = ready;
      if (constraint === undefined) throw new Error('there is none');
      const free = (): void => {
        freed++;
        constraint.free();
      };
      return {
        ...ready,
        constraint: {
          get ended() {
            return constraint.ended;
          },
          mask: (logits) => {
            constraint.mask(logits);
          },
          accept: (id) => constraint.accept(id),
          free,
        },
      };
    };
    await engine.generate(await counted());
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(engine.generate(await counted(), { signal })).rejects.toThrow('enough');
    await expect(engine.generate({ ...(await counted()), maxTokens: 0 })).rejects.toThrow('max tokens');
    expect(freed).toBe(3);
    expect(engine.kvBytes).toBe(0);
  });

  it('that cannot go on fail alone', async () => {
    const [ready, neighbour] = [await ask(), await ask()];
    const broken = {
      ended: false,
      mask: () => undefined,
      accept: () => Promise.reject(new Error('cannot go on')),
      free: () => undefined,
    };
    const [failed, other] = await Promise.allSettled([
      engine.generate({ ...ready, constraint: broken }),
      engine.generate(neighbour),
    ]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'cannot go on' } });
    expect(other.status).toBe('fulfilled');
    expect(engine.kvBytes).toBe(0);
    ready.constraint?.free();
  });
});
