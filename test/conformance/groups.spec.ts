import type { Engine, GenerationRequest, GenerationResult, KvPrecision } from '@madakv/engine';
import { createPolicy, policies } from '@madakv/madakv';
import type { ChatMessage, PreparedImage, PreparedPrompt } from '@madakv/models';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, loadEngine, request, temporaryCache } from './engine.fixture.js';
import { expectSameAnswer } from './same.answer.js';

const NAMES = Object.keys(policies);
const WORDS = ['total', 'date', 'name', 'of', 'the', 'page', 'number', 'tax', '12', 'when', 'who', 'paid', 'is', 'it?'];
const CHUNK = 31;

const cacheDir = temporaryCache();

/** Numbers in [0, 1), the same for the same seed. */
function stream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const words = (random: () => number, most: number): string =>
  Array.from({ length: 1 + Math.floor(random() * most) }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');

/** A prompt about a fixture's images, with another question in the place of its own. */
async function asking({ model }: Engine, name: string, question: string): Promise<PreparedPrompt> {
  const { images } = fixture(name);
  const parts = images.map(() => ({ type: 'image_url' as const, image_url: { url: '' } }));
  const messages: ChatMessage[] = [
    {
      role: 'user',
      content: [...parts, { type: 'text', text: `Read this. ${'A line of text. '.repeat(4)}${question}` }],
    },
  ];
  return model.prepare(messages, images);
}

describe.each([
  ['qwen-plain three-images', 'fp32'],
  ['llava-plain three-images', 'fp32'],
  ['qwen3-vl-plain three-images', 'fp32'],
  ['qwen-plain three-images', 'int8'],
] as const)('requests about %s, cache in %s', (name, kvPrecision: KvPrecision) => {
  let grouped: Engine;
  let alone: Engine;
  beforeAll(async () => {
    const { checkpoint } = fixture(name);
    const options = { chunkTokens: CHUNK, maxSequences: 16, kvPrecision };
    grouped = await loadEngine(checkpoint, cacheDir, options);
    alone = await loadEngine(checkpoint, cacheDir, { ...options, maxGroup: 1 });
  });

  const draw = async (seed: number): Promise<GenerationRequest[]> => {
    const random = stream(seed);
    const prompts: PreparedPrompt[] = [];
    const members = 2 + Math.floor(random() * 6);
    for (let i = 0; i < members; i++) {
      // Some ask the very same.
      const again = i > 0 && random() < 0.25;
      prompts.push(again ? prompts[i - 1] : await asking(grouped, name, words(random, random() < 0.3 ? 40 : 6)));
    }
    return prompts.map((prompt, i) => {
      const policy = NAMES[(seed + i * 5) % NAMES.length];
      return request(prompt, {
        policy: createPolicy(policy),
        cacheRatio: policy === 'full' ? 1 : 0.2 + 0.6 * random(),
        protocol: random() < 0.3 ? 'plain' : 'replay',
        maxTokens: 2 + Math.floor(random() * 6),
        wantFirstLogits: true,
        ...(random() < 0.3 ? { sampling: { temperature: 0.8, seed: i } } : {}),
      });
    });
  };

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('are answered together as they are alone: group %d', async (seed) => {
    const requests = await draw(seed);
    const together = await Promise.all(requests.map((each) => grouped.generate(each)));
    const tokens = together.map(({ trace }) => trace.sharing);
    expect(tokens.map(({ requests: number }) => number)).toEqual(requests.map(() => requests.length));
    expect(tokens[0].cachedTokens).toBe(0);
    for (const [i, each] of requests.entries()) {
      expectSameAnswer(together[i], await alone.generate(each));
      if (i > 0) expect(tokens[i].cachedTokens).toBeGreaterThanOrEqual(tokens[i].sharedTokens);
      expect(together[i].usage.cachedTokens).toBe(tokens[i].cachedTokens);
    }
    expect(grouped.kvBytes).toBe(0);
  });
});

describe('a group', () => {
  const name = 'qwen-plain three-images';
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadEngine(fixture(name).checkpoint, cacheDir, { chunkTokens: CHUNK, maxSequences: 16 });
  });
  const ask = async (question: string, changes: Partial<GenerationRequest> = {}): Promise<GenerationRequest> =>
    request(await asking(engine, name, question), { policy: createPolicy('madakv'), cacheRatio: 0.3, ...changes });

  it('takes at its peak the longest prompt’s layer and what the members keep', async () => {
    const questions = ['total', 'date of the page', 'who paid the tax when', 'number'];
    const one = await loadEngine(fixture(name).checkpoint, cacheDir, { chunkTokens: CHUNK, maxSequences: 16 });
    const requests = await Promise.all(questions.map((question) => ask(question, { protocol: 'plain', maxTokens: 1 })));
    const results = await Promise.all(requests.map((each) => one.generate(each)));
    const longest = Math.max(...requests.map(({ prompt }) => prompt.inputIds.length));
    const layer = (one.kvBytesPerToken / one.model.config.decoder.layers) * longest;
    const kept = results.reduce((sum, { trace }) => sum + trace.bytes.afterEviction, 0);
    expect(Math.abs(one.kvPeakBytes - (layer + kept)) / (layer + kept)).toBeLessThan(0.05);
    for (const { trace } of results) {
      expect(trace.bytes.peak).toBe(layer + trace.bytes.afterEviction);
      expect(trace.sharing).toMatchObject({ requests: 4 });
    }
  });

  it('goes on without a member that is cancelled, fails or asks for too little', async () => {
    const stop = new AbortController();
    const failing = createPolicy('madakv');
    const broken: GenerationRequest['policy'] = {
      ...failing,
      start: (...given) => {
        const selector = failing.start(...given);
        return {
          select: (layer, importance) => {
            if (layer === 1) throw new Error('planted');
            return selector.select(layer, importance);
          },
        };
      },
    };
    const good = await Promise.all([ask('total'), ask('date'), ask('tax')]);
    const expected = await Promise.all(good.map((each) => engine.generate(each)));
    const [cancelled, failed, poor] = await Promise.all([
      ask('name'),
      ask('number', { policy: broken }),
      ask('when', { cacheRatio: 0.001 }),
    ]);
    const results = await Promise.allSettled([
      engine.generate(good[0]),
      engine.generate(cancelled, {
        signal: stop.signal,
        onEvent: ({ kind }) => {
          if (kind === 'layer') stop.abort(new Error('no longer wanted'));
        },
      }),
      engine.generate(good[1]),
      engine.generate(failed),
      engine.generate(poor),
      engine.generate(good[2]),
    ]);
    const reason = (i: number): string => ((results[i] as PromiseRejectedResult).reason as Error).message;
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(reason(1)).toBe('no longer wanted');
    expect(reason(3)).toBe('planted');
    expect(reason(4)).toMatch(/\d/);
    [0, 2, 5].forEach((at, i) => {
      const { value } = results[at] as PromiseFulfilledResult<GenerationResult>;
      expect(value.tokenIds).toEqual(expected[i].tokenIds);
      expect(value.trace.sharing.requests).toBe(5);
    });
    expect(engine.kvBytes).toBe(0);
  });

  it('goes on with another member’s pixels when the first takes its own along', async () => {
    const { images } = fixture(name);
    const prepared = await Promise.all(images.map((image) => engine.model.prepareImage(image)));
    const stop = new AbortController();
    const promptOf = (question: string, prepare: (index: number) => Promise<PreparedImage>) => {
      const content = [
        ...images.map(() => ({ type: 'image_url' as const, image_url: { url: '' } })),
        { type: 'text' as const, text: `${'A line of text. '.repeat(4)}${question}` },
      ];
      const deferred = prepared.map(({ patchGrid, grid, tokens }, index) => {
        return { patchGrid, grid, tokens, key: `pixels-${index}`, prepare: () => prepare(index) };
      });
      return engine.model.layoutOf([{ role: 'user', content }], deferred);
    };
    const first = promptOf('total', () => {
      stop.abort(new Error('no longer wanted'));
      return Promise.reject(new Error('the pixels are gone'));
    });
    const second = promptOf('date', (index) => Promise.resolve(prepared[index]));
    const [cancelled, answered] = await Promise.allSettled([
      engine.generate(
        { prompt: first, policy: createPolicy('full'), cacheRatio: 1, maxTokens: 4 },
        { signal: stop.signal },
      ),
      engine.generate({ prompt: second, policy: createPolicy('full'), cacheRatio: 1, maxTokens: 4 }),
    ]);
    expect(cancelled).toMatchObject({ status: 'rejected', reason: { message: 'no longer wanted' } });
    expect(answered).toMatchObject({ status: 'fulfilled', value: { trace: { sharing: { requests: 2 } } } });
    expect(engine.kvBytes).toBe(0);
  });

  it('ends at once when nobody wants it any more', async () => {
    const stop = new AbortController();
    const requests = await Promise.all(['total', 'date'].map((question) => ask(question)));
    const results = await Promise.allSettled(
      requests.map((each) =>
        engine.generate(each, {
          signal: stop.signal,
          onEvent: ({ kind }) => {
            if (kind === 'prefill') stop.abort(new Error('no longer wanted'));
          },
        }),
      ),
    );
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(engine.kvBytes).toBe(0);
  });

  it('is not made of prompts whose images differ in a pixel, though their tokens are the same', async () => {
    const size = { width: 280, height: 280 };
    const picture = (shade: number) => ({ ...size, data: new Uint8Array(size.width * size.height * 3).fill(shade) });
    const messages: ChatMessage[] = [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: '' } },
          { type: 'text', text: 'What is the total?' },
        ],
      },
    ];
    const other = picture(9);
    other.data[0] = 255;
    const prompts = await Promise.all(
      [picture(9), other, picture(9)].map((image) => engine.model.prepare(messages, [image])),
    );
    expect(prompts[0].inputIds).toEqual(prompts[1].inputIds);
    const image = prompts[0].segments.find(({ modality }) => modality === 'visual');
    const requests = prompts.map((prompt) => request(prompt, { wantFirstLogits: true }));
    const results = await Promise.all(requests.map((each) => engine.generate(each)));
    expect(results[1].trace.sharing.sharedTokens).toBeLessThanOrEqual(image?.start ?? 0);
    const alone = await loadEngine(fixture(name).checkpoint, cacheDir, { chunkTokens: CHUNK, maxGroup: 1 });
    for (const [i, each] of requests.entries()) expectSameAnswer(results[i], await alone.generate(each));
    expect(results[0].firstLogits).not.toEqual(results[1].firstLogits);
    expect(results[0].firstLogits).toEqual(results[2].firstLogits);
  });

  it('is not made of strangers, who share no more than a template’s beginning', async () => {
    const prompts = await Promise.all(
      ['What is the total? ', 'Who paid? '].map((text) =>
        engine.model.prepare([{ role: 'user', content: text.repeat(20) }], []),
      ),
    );
    const results = await Promise.all(prompts.map((prompt) => engine.generate(request(prompt))));
    const nothing = { requests: 1, sharedTokens: 0, cachedTokens: 0, residentTokens: 0 };
    expect(results.map(({ trace }) => trace.sharing)).toEqual([
      { ...nothing, reason: 'nothing_alike', alikeTokens: expect.any(Number) as number },
      { ...nothing, reason: 'off', alikeTokens: 0 },
    ]);
    // The template's beginning is what they have in common.
    expect(results[0].trace.sharing.alikeTokens).toBeGreaterThan(0);
  });
});
