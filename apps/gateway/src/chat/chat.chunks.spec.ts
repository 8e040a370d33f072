import { ChatCompletionChunkSchema, type ChatCompletion, type TokenLogprob } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { ChatChunks } from './chat.chunks.js';

const HEAD = { id: 'chatcmpl-1', created: 5, model: 'm' };

const logprob = (token: string): TokenLogprob => ({ token, logprob: -1, bytes: null, top_logprobs: [] });

function completion(content: string, logprobs: TokenLogprob[] | null = null): ChatCompletion {
  return {
    ...HEAD,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: logprobs === null ? null : { content: logprobs, refusal: null },
        finish_reason: 'length',
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    madakv: {
      trace_id: 'chatcmpl-1',
      policy: 'madakv',
      cache_ratio: 1,
      requested_cache_ratio: 1,
      prompt_tokens: {},
      bytes: { full: 1, peak: 1, kept: 1 },
      warnings: [],
    },
  };
}

it('makes chunks as the schema has them', () => {
  const chunks = new ChatChunks(HEAD, true);
  const token = chunks.token({ kind: 'token', index: 0, text: 'a', logprobs: logprob('a') });
  for (const chunk of [chunks.role(), token, ...chunks.end(completion('a'))]) {
    expect(ChatCompletionChunkSchema.parse(chunk)).toEqual(chunk);
  }
  expect(token?.choices[0].logprobs?.content).toEqual([logprob('a')]);
});

it('skips tokens that were sent before', () => {
  const chunks = new ChatChunks(HEAD, false);
  const texts = [0, 1, 0, 1, 2].map(
    (index) => chunks.token({ kind: 'token', index, text: String(index) })?.choices[0].delta.content,
  );
  expect(texts).toEqual(['0', '1', undefined, undefined, '2']);
});

it('catches up on text whose events are gone, with its log-probabilities', () => {
  const chunks = new ChatChunks(HEAD, false);
  chunks.token({ kind: 'token', index: 0, text: 'a' });
  const [rest, end] = [...chunks.end(completion('abc', ['a', 'b', 'c'].map(logprob)))];
  expect(rest.choices[0].delta).toEqual({ content: 'bc' });
  expect(rest.choices[0].logprobs?.content).toEqual([logprob('b'), logprob('c')]);
  expect(end.choices[0]).toMatchObject({ delta: {}, finish_reason: 'length' });
});

it('says nothing twice, and nothing that does not follow on what was said', () => {
  const chunks = new ChatChunks(HEAD, false);
  chunks.token({ kind: 'token', index: 0, text: 'ab' });
  expect([...chunks.end(completion('ab'))]).toHaveLength(1);
  const broken = expect.objectContaining({ code: 'stream_broken' }) as Error;
  expect(() => [...chunks.end(completion('xyz'))]).toThrow(broken);
  expect(() => [...chunks.end(completion('a'))]).toThrow(broken);
  expect(() => chunks.token({ kind: 'token', index: 0, text: 'xy' })).toThrow(broken);
});
