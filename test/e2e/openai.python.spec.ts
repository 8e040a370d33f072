import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonClient, runPython } from './python.client.js';
import { PDF, PNG } from './requests.js';
import { MODEL, startSystem, type TestSystem } from './system.fixture.js';

const client = pythonClient();
const missing = 'missing' in client ? `, skipped: ${client.missing}` : '';

describe.skipIf('missing' in client)(`the official client for Python${missing}`, () => {
  let system: TestSystem;
  let seen: unknown;
  beforeAll(async () => {
    system = await startSystem();
    seen = await runPython('python' in client ? client.python : '', 'life.py', {
      base_url: `${system.url}/v1`,
      expiring_base_url: `${await system.addGateway({ MADAKV_GATEWAY_BATCH_EXPIRY_MS: '30000' })}/v1`,
      api_key: system.apiKeys.acme,
      model: MODEL,
      pdf: PDF,
      png: PNG,
    });
  });
  afterAll(() => system.stop());

  it('lists models', () => {
    expect(seen).toMatchObject({ version: expect.stringMatching(/^\d/) as string, models: [MODEL] });
  });

  it('creates, lists, reads and deletes files', () => {
    expect(seen).toMatchObject({
      files: {
        created: { object: 'file', filename: 'receipt.pdf', bytes: statSync(PDF).size, purpose: 'user_data' },
        retrieved: true,
        listed: true,
        same: true,
        deleted: true,
        gone: ['NotFoundError', 404, 'not_found'],
      },
    });
  });

  it('uploads files in parts', () => {
    const bytes = statSync(PDF).size;
    expect(seen).toMatchObject({
      uploads: {
        whole: {
          object: 'upload',
          status: 'completed',
          bytes,
          filename: 'receipt.pdf',
          file: { object: 'file', bytes },
        },
        same: true,
        begun: { status: 'pending', file: null },
        part: { object: 'upload.part' },
        refused: ['BadRequestError', 400, 'invalid_request'],
        cancelled: { status: 'cancelled' },
        late: ['ConflictError', 409, 'conflict'],
      },
    });
  });

  it('asks about documents: plain, streaming, hanging up', () => {
    const { chat } = seen as { chat: { plain: { choices: { message: { content: string } }[]; usage: object } } };
    const answer = chat.plain.choices[0].message.content;
    expect(answer).not.toBe('');
    expect(chat).toMatchObject({
      plain: { model: MODEL, usage: { completion_tokens: 4 }, madakv: { requested_cache_ratio: 0.3 } },
      by_data: answer,
      streamed: answer,
      seen: { madakv: { prompt_tokens: { visual: expect.any(Number) as number } } },
      left_after: 'assistant',
      hung_up: 'APITimeoutError',
      refused: ['BadRequestError', 400, 'invalid_request'],
    });
    expect((seen as { chat: { streamed_usage: object } }).chat.streamed_usage).toEqual(chat.plain.usage);
  });

  it('asks as responses: plain and streaming', () => {
    const { chat, responses } = seen as {
      chat: { plain: { choices: { message: { content: string } }[] } };
      responses: object;
    };
    const answer = chat.plain.choices[0].message.content;
    expect(responses).toMatchObject({
      plain: {
        object: 'response',
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        usage: { output_tokens: 4 },
      },
      text: answer,
      streamed: answer,
      types: [
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        'response.incomplete',
      ],
      refused: ['BadRequestError', 400, 'invalid_request'],
    });
  });

  it('runs batches: done, failed in part, cancelled, expired', () => {
    const ended = (status: string) => ({
      batch: { status, request_counts: { total: 2, completed: 1 } },
      output: [{ custom_id: 'c1', response: { status_code: 200 } }],
      errors: [{ custom_id: 'c2', error: { code: `batch_${status}` } }],
    });
    expect(seen).toMatchObject({
      batches: {
        listed: true,
        mixed: {
          batch: {
            status: 'completed',
            request_counts: { total: 3, completed: 1, failed: 2 },
            usage: { output_tokens: 4, input_tokens_details: { cached_tokens: 0 } },
          },
          output: [{ custom_id: 'c1', response: { body: { usage: { completion_tokens: 4 } } } }],
          errors: [{ custom_id: 'c2' }, { custom_id: 'c3', response: { body: { error: { param: 'messages' } } } }],
        },
        cancelling: 'cancelling',
        cancelled: ended('cancelled'),
        expired: ended('expired'),
      },
    });
  });

  it('leaves no lease behind', async () => {
    const leases = async () => (await system.budgetClient.call('list', {})).devices.flatMap((device) => device.leases);
    await expect.poll(leases).toEqual([]);
  });
});
