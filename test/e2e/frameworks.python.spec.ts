import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKPOINT } from '../integration/checkpoint.fixture.js';
import { pythonClient, runPython } from './python.client.js';
import { PDF, PNG } from './requests.js';
import { MODEL, startSystem, type TestSystem } from './system.fixture.js';

const client = pythonClient('frameworks.requirements.txt');
const missing = 'missing' in client ? `, skipped: ${client.missing}` : '';

const some = expect.stringMatching(/./) as string;
const receipt = { paid: expect.any(Boolean) as boolean, rest: expect.any(Boolean) as boolean };

describe.skipIf('missing' in client)(`client code that others have written${missing}`, () => {
  let system: TestSystem;
  let seen: { litellm: Record<string, unknown>; langchain: Record<string, unknown> };
  beforeAll(async () => {
    // Unlike that of other tests, it knows how to end an answer.
    system = await startSystem({ checkpoint: CHECKPOINT });
    const busy = await system.addGateway({ MADAKV_GATEWAY_LIMITS: '{"requestsPerMinute":1}' });
    seen = (await runPython('python' in client ? client.python : '', 'frameworks.py', {
      base_url: `${system.url}/v1`,
      busy_base_url: `${busy}/v1`,
      api_key: system.apiKeys.acme,
      model: MODEL,
      pdf: PDF,
      png: PNG,
    })) as typeof seen;
  }, 600_000);
  afterAll(() => system.stop());

  it('LiteLLM asks about documents and images, plain, streaming and for JSON of a schema', () => {
    const { plain, streamed } = seen.litellm as {
      plain: { choices: { message: { content: string } }[] };
      streamed: string;
    };
    expect(seen.litellm).toMatchObject({
      plain: { choices: [{ finish_reason: 'length', message: { content: some } }], usage: { completion_tokens: 4 } },
      seen: true,
      json: receipt,
    });
    expect(streamed).toBe(plain.choices[0].message.content);
  });

  it('LiteLLM raises errors of its own classes', () => {
    expect(seen.litellm['errors']).toEqual({
      key: 'AuthenticationError',
      request: 'BadRequestError',
      tools: 'BadRequestError',
      model: 'NotFoundError',
      busy: expect.arrayContaining(['RateLimitError']) as string[],
    });
  });

  it('LiteLLM runs a batch: file, batch, status, list, content', () => {
    expect(seen.litellm['batch']).toMatchObject({
      status: 'completed',
      metadata: { team: 'a' },
      results: [{ custom_id: 'c1', response: { status_code: 200 }, error: null }],
      listed: true,
    });
  });

  it('LangChain asks about documents and images, plain, streaming, several at once, and as a response', () => {
    const { plain, streamed, usage } = seen.langchain;
    expect(seen.langchain).toMatchObject({
      plain: some,
      usage: { output_tokens: 4 },
      seen: true,
      batched: 2,
      response: 16,
    });
    expect(streamed).toBe(plain);
    expect(seen.langchain['streamed_usage']).toMatchObject([
      { output_tokens: 4, input_tokens: (usage as { input_tokens: number }).input_tokens },
    ]);
  });

  it('LangChain gets objects of a schema', () => {
    expect(seen.langchain).toMatchObject({ json: receipt, strict: receipt });
  });

  it('LangChain raises errors by their status', () => {
    expect(seen.langchain['errors']).toEqual({
      key: [some, 401, 'invalid_api_key'],
      request: [some, 400, 'invalid_request'],
      tools: [some, 400, 'unsupported_parameter'],
      busy: expect.arrayContaining([[expect.stringContaining('RateLimit'), 429, 'rate_limit_exceeded']]) as unknown[],
    });
  });

  it('leaves no lease behind', async () => {
    const leases = async () => (await system.budgetClient.call('list', {})).devices.flatMap((device) => device.leases);
    await expect.poll(leases).toEqual([]);
  });
});
