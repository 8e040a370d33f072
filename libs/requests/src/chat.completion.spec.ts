import { AnsweredTraceSchema, ChatCompletionSchema } from '@madakv/contracts';
import type { CacheTrace } from '@madakv/engine';
import { describe, expect, it } from 'vitest';
import { chatCompletion, tokenLogprob, traceCache, usageOf } from './chat.completion.js';

const head = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'reader' };
const usage = usageOf({ promptTokens: 30, completionTokens: 2, cachedTokens: 12 });

const trace: CacheTrace = {
  policy: 'madakv',
  ratio: 0.15,
  protocol: 'replay',
  modalities: ['text', 'visual'],
  promptTokens: [10, 20],
  sharing: {
    requests: 3,
    sharedTokens: 12,
    cachedTokens: 12,
    residentTokens: 4,
    reason: 'resident',
    alikeTokens: 14,
  },
  layers: [
    {
      layer: 0,
      budget: 4.5,
      demand: 3,
      compensation: -1.5,
      rows: 4,
      kept: [[1, 3]],
      preference: [[0.25, 0.75]],
      attentionKept: [0.875],
      positions: ['DwA='],
    },
  ],
  bytes: { full: 1_000, peak: 700, afterEviction: 200, final: 300 },
  ms: { queue: 0, vision: 1, prefill: 2, observe: 3, evict: 4, firstToken: 11, decode: 5 },
};

const tokenizer = {
  decode: (ids: readonly number[]) => `<${ids.join()}>`,
  tokenBytes: (id: number) => Uint8Array.of(id),
};
const logprob = tokenLogprob(
  {
    id: 7,
    text: 'a',
    logprobs: {
      chosen: { id: 7, logprob: Math.fround(-0.1) },
      top: [
        { id: 7, logprob: Math.fround(-0.1) },
        { id: 8, logprob: -2 },
      ],
    },
  },
  tokenizer,
);

const result = {
  text: 'ab',
  finishReason: 'stop',
  usage,
  logprobs: null,
  trace,
  requestedRatio: 0.2,
  warnings: [],
} as const;

describe('chatCompletion', () => {
  it('is OpenAI’s body with what the cache reduction did', () => {
    const completion = ChatCompletionSchema.parse(chatCompletion(head, { ...result, systemFingerprint: 'fp' }));
    expect(completion).toMatchObject({
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'ab', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 30,
        completion_tokens: 2,
        total_tokens: 32,
        prompt_tokens_details: { cached_tokens: 12 },
      },
      system_fingerprint: 'fp',
      madakv: {
        trace_id: 'chatcmpl-1',
        policy: 'madakv',
        cache_ratio: 0.15,
        requested_cache_ratio: 0.2,
        prompt_tokens: { text: 10, visual: 20 },
        bytes: { full: 1_000, peak: 700, kept: 200 },
        warnings: [],
      },
    });
    expect(chatCompletion(head, result)).not.toHaveProperty('system_fingerprint');
  });

  it('says what was not read of the documents', () => {
    const warnings = [{ code: 'blank_page', message: 'page 3: blank', param: 'messages.0.content.0.file' }];
    const { madakv } = ChatCompletionSchema.parse(chatCompletion(head, { ...result, warnings }));
    expect(madakv.warnings).toEqual(warnings);
  });

  it('reads answers of versions that had no warnings', () => {
    const { madakv, ...older } = chatCompletion(head, result);
    const { warnings, ...summary } = madakv;
    expect(warnings).toEqual([]);
    expect(ChatCompletionSchema.parse({ ...older, madakv: summary }).madakv.warnings).toEqual([]);
  });

  it('carries log-probabilities with texts and bytes', () => {
    expect(logprob).toEqual({
      token: '<7>',
      logprob: -0.100000001,
      bytes: [7],
      top_logprobs: [
        { token: '<7>', logprob: -0.100000001, bytes: [7] },
        { token: '<8>', logprob: -2, bytes: [8] },
      ],
    });
    expect(tokenLogprob({ id: 7, text: 'a' }, tokenizer)).toBeUndefined();
    const logprobs = logprob === undefined ? [] : [logprob];
    const [choice] = ChatCompletionSchema.parse(chatCompletion(head, { ...result, logprobs })).choices;
    expect(choice.logprobs).toEqual({ content: logprobs, refusal: null });
  });
});

it('gives a trace document what the engine knows of the cache', () => {
  const cache = traceCache(trace, 0.2);
  expect(AnsweredTraceSchema.shape.cache.parse(cache)).toEqual(cache);
  expect(cache).toMatchObject({ requestedRatio: 0.2, ratio: 0.15, promptTokens: [10, 20], layers: trace.layers });
  expect(cache).not.toHaveProperty('ms');
});
