import { expect, it } from 'vitest';
import { checkFileRequest } from '@madakv/requests';
import { UsageError } from '../exit.codes.js';
import { generationSettings } from './generation.mapping.js';

const settings = (body: object, flags = {}) =>
  generationSettings(checkFileRequest({ messages: [{ role: 'user', content: 'Hi' }], ...body }, 'x'), flags, () => 99);

it('prefers flags to the body', () => {
  expect(settings({ max_tokens: 5 }, { maxTokens: 7 }).maxTokens).toBe(7);
});

it('draws a seed when tokens are drawn without one', () => {
  expect(settings({ temperature: 1 }).sampling.seed).toBe(99);
  expect(settings({ temperature: 1, seed: 4 }).sampling.seed).toBe(4);
  expect(settings({}).sampling.seed).toBeUndefined();
});

it('is a usage error when keys contradict each other', () => {
  const contradiction = (): unknown => settings({ top_logprobs: 1 });
  expect(contradiction).toThrow(UsageError);
  expect(contradiction).toThrow('top_logprobs: needs logprobs to be true');
});
