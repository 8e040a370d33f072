import { describe, expect, it } from 'vitest';
import {
  generationSettings,
  readParameters,
  withSeed,
  type RequestParameters,
  type SettingsOverrides,
} from './generation.settings.js';

const settings = (parameters: RequestParameters, overrides: SettingsOverrides = {}) =>
  generationSettings(readParameters(parameters), overrides);

describe('generationSettings', () => {
  it('is greedy by default', () => {
    expect(settings({})).toEqual({
      policy: 'madakv',
      policyOptions: {},
      cacheRatio: 0.2,
      ratioRequested: false,
      minCacheRatio: undefined,
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

  it('prefers max_completion_tokens to its older name, and overrides to both', () => {
    const body = { max_tokens: 5, max_completion_tokens: 6 };
    expect(settings(body).maxTokens).toBe(6);
    expect(settings(body, { maxTokens: 7 }).maxTokens).toBe(7);
  });

  it('takes the seed that was drawn when the request was accepted', () => {
    expect(settings({ temperature: 1, seed: 4 }).sampling.seed).toBe(4);
    expect(settings({}).sampling.seed).toBeUndefined();
  });

  it('keeps the request’s options for the request’s policy only', () => {
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
    expect(() => settings({ top_logprobs: 1 })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'top_logprobs' }),
    );
  });

  it('notes what the request says about its ratio', () => {
    expect(settings({ madakv: { cache_ratio: 0.2 } })).toMatchObject({ cacheRatio: 0.2, ratioRequested: true });
    expect(settings({}, { cacheRatio: 0.2 }).ratioRequested).toBe(true);
    expect(settings({ madakv: { min_cache_ratio: 0.1 } })).toMatchObject({ cacheRatio: 0.2, minCacheRatio: 0.1 });
  });

  it('refuses a least ratio above the default one', () => {
    expect(() => settings({ madakv: { min_cache_ratio: 0.3 } })).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        param: 'madakv.min_cache_ratio',
        message: 'madakv.min_cache_ratio: 0.3 is more than the cache ratio, 0.2',
      }),
    );
    expect(settings({ madakv: { policy: 'full', min_cache_ratio: 0.3 } }).cacheRatio).toBe(1);
  });
});

describe('withSeed', () => {
  const draw = (): number => 99;

  it('draws a seed where tokens are drawn without one', () => {
    expect(withSeed({ temperature: 1 }, draw)).toEqual({ temperature: 1, seed: 99 });
    expect(withSeed({ temperature: 1, seed: 0 }, draw)).toEqual({ temperature: 1, seed: 0 });
    expect(withSeed({ temperature: 0 }, draw)).toEqual({ temperature: 0 });
    expect(withSeed({}, draw)).toEqual({});
    expect(withSeed({ temperature: 1 }).seed).toEqual(expect.any(Number));
  });

  it('gives the same settings again once it is kept', () => {
    const kept = JSON.parse(JSON.stringify(withSeed({ temperature: 1, model: 'm', stream: true }))) as unknown;
    expect(generationSettings(readParameters(kept))).toEqual(generationSettings(readParameters(kept)));
    expect(generationSettings(readParameters(kept)).sampling.seed).toEqual(expect.any(Number));
  });
});
