import { checkChatRequest } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { extractionRequests } from './extraction.requests.js';

const INSTRUCTION = 'If something is not in the documents, answer: not stated';
const file = { type: 'file', file: { file_id: 'file-1' } };
const schema = { type: 'object', properties: { total: { type: 'number' }, buyer: { type: 'string' } } };
const requestsOf = (more: object) =>
  extractionRequests(
    checkChatRequest({
      model: 'm',
      messages: [{ role: 'user', content: [file] }],
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      madakv: { extract: true },
      ...more,
    }),
  );
const messages = (content: unknown, ...before: object[]) =>
  requestsOf({ messages: [...before, { role: 'user', content }] }).requests[0].messages;
const QUESTION = 'What is the total? Answer with the value only.';

describe('extractionRequests', () => {
  it('makes a request of each field, which differ in their last text alone', () => {
    const { plan, requests } = requestsOf({ temperature: 0, seed: 7, madakv: { extract: true, cache_ratio: 0.1 } });
    expect(plan.fields.map(({ name }) => name)).toEqual(['total', 'buyer']);
    const ask = (question: string, tokens: number): object => ({
      model: 'm',
      temperature: 0,
      seed: 7,
      messages: [
        { role: 'system', content: INSTRUCTION },
        { role: 'user', content: [file, { type: 'text', text: question }] },
      ],
      max_completion_tokens: tokens,
      madakv: { cache_ratio: 0.1, layout: 'as_given' },
    });
    expect(requests).toEqual([ask(QUESTION, 64), ask('What is the buyer? Answer with the value only.', 256)]);
    for (const request of requests) expect(checkChatRequest(request)).toEqual(request);
  });

  it('asks behind what the user says, and documents before it', () => {
    const said = { type: 'text', text: 'An invoice.' };
    const asked = { type: 'text', text: `An invoice.\n${QUESTION}` };
    expect(messages([file, said]).at(-1)).toEqual({ role: 'user', content: [file, asked] });
    expect(messages([said, file]).at(-1)).toEqual({ role: 'user', content: [file, asked] });
    expect(messages([said, file, said]).at(-1)).toEqual({ role: 'user', content: [said, file, asked] });
    expect(messages('An invoice.').at(-1)).toEqual({ role: 'user', content: [asked] });
    const kept = requestsOf({
      messages: [{ role: 'user', content: [said, file] }],
      madakv: { extract: true, layout: 'as_given' },
    });
    expect(kept.requests[0].messages.at(-1)?.content).toEqual([said, file, { type: 'text', text: QUESTION }]);
  });

  it('keeps documents of a system message', () => {
    const rules = { type: 'text', text: 'Rules: ' };
    const system = (content: object[]) => messages([file], { role: 'system', content })[0].content;
    expect(system([rules, file])).toEqual([rules, file, { type: 'text', text: INSTRUCTION }]);
    expect(system([file, { type: 'text', text: 'Be brief.' }])).toEqual([
      file,
      { type: 'text', text: `Be brief. ${INSTRUCTION}` },
    ]);
    expect(system([rules, { type: 'text', text: 'be brief.' }])).toBe(`Rules: be brief. ${INSTRUCTION}`);
  });

  it('keeps a system message in front, and what was said before', () => {
    const before = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hello' },
    ];
    const [system, ...others] = messages([file], ...before);
    expect(system).toEqual({ role: 'system', content: `Be brief. ${INSTRUCTION}` });
    expect(others.slice(0, 2)).toEqual(before.slice(1));
    expect(messages([file], { role: 'developer', content: '' })[0]).toEqual({
      role: 'developer',
      content: INSTRUCTION,
    });
  });

  it('lets a request ask for shorter answers, not for longer ones', () => {
    const tokens = (more: object) => requestsOf(more).requests.map(({ max_completion_tokens: most }) => most);
    expect(tokens({ max_tokens: 100 })).toEqual([64, 100]);
    expect(tokens({ max_completion_tokens: 5 })).toEqual([5, 5]);
  });
});
