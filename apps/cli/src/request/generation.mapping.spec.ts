import { describe, expect, it } from 'vitest';
import { generationSettings, type SettingsFlags } from './generation.mapping.js';
import { checkRequest } from './request.file.js';

const settings = (body: object, flags: SettingsFlags = {}) =>
  generationSettings(checkRequest({ messages: [{ role: 'user', content: 'Hi' }], ...body }, 'x'), flags, () => 99);

describe('generationSettings', () => {
  it('is greedy by default', () => {
    expect(settings({})).toEqual({
      policy: 'madakv',
      policyOptions: {},
      cacheRatio: 0.2,
      maxTokens: 256,
      protocol: 'replay',
      sampling: { temperature: 0 },
      stop: [],
      topLogprobs: undefined,
    });
  });

  it('takes every parameter of the body', () => {
    const sampling = {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      seed: 3,
      repetition_penalty: 1.1,
      presence_penalty: -1,
      frequency_penalty: 2,
    };
    const result = settings({ ...sampling, stop: 'END', max_tokens: 5, logprobs: true, top_logprobs: 4 });
    expect(result.sampling).toEqual({
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      seed: 3,
      repetitionPenalty: 1.1,
      presencePenalty: -1,
      frequencyPenalty: 2,
    });
    expect(result).toMatchObject({ stop: ['END'], maxTokens: 5, topLogprobs: 4 });
  });

  it('prefers max_completion_tokens to its older name, and flags to both', () => {
    const body = { max_tokens: 5, max_completion_tokens: 6 };
    expect(settings(body).maxTokens).toBe(6);
    expect(settings(body, { maxTokens: 7 }).maxTokens).toBe(7);
  });

  it('draws a seed when tokens are drawn without one', () => {
    expect(settings({ temperature: 1 }).sampling.seed).toBe(99);
    expect(settings({ temperature: 1, seed: 4 }).sampling.seed).toBe(4);
    expect(settings({}).sampling.seed).toBeUndefined();
  });

  it('keeps the body’s options for the body’s policy only', () => {
    const body = { madakv: { policy: 'snapkv', options: { window: 8 } } };
    expect(settings(body).policyOptions).toEqual({ window: 8 });
    expect(settings(body, { policyOptions: { questionCap: 1 } }).policyOptions).toEqual({ window: 8, questionCap: 1 });
    expect(settings(body, { policy: 'h2o' }).policyOptions).toEqual({});
  });

  it('gives the policy full the whole cache, unless told otherwise', () => {
    expect(settings({}, { policy: 'full' }).cacheRatio).toBe(1);
    expect(settings({ madakv: { cache_ratio: 0.5 } }, { policy: 'full' }).cacheRatio).toBe(0.5);
  });

  it('treats -1 and 0 of top_k alike, and refuses top_logprobs without logprobs', () => {
    expect(settings({ top_k: -1 }).sampling.topK).toBe(0);
    expect(settings({ logprobs: true }).topLogprobs).toBe(0);
    expect(() => settings({ top_logprobs: 1 })).toThrow('top_logprobs: needs logprobs to be true');
  });
});
