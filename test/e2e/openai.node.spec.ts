import { createReadStream, readFileSync } from 'node:fs';
import { ChatCompletionSchema } from '@madakv/contracts';
import { APIUserAbortError, BadRequestError, NotFoundError, toFile, type OpenAI } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, dataUrl, ended, ENDLESS, filePart, PDF, PNG, resultsOf, submitBatch } from './requests.js';
import { MODEL, startSystem, type TestSystem } from './system.fixture.js';

/** When the batches of one of the gateways expire: time enough for a short line on any machine, not for an endless one. */
const EXPIRY_MS = 30_000;

let system: TestSystem;
let client: OpenAI;
beforeAll(async () => {
  system = await startSystem();
  client = system.client();
});
afterAll(() => system.stop());

const text = { type: 'text' as const, text: 'Total?' };

async function leases(): Promise<number> {
  const { devices } = await system.budgetClient.call('list', {});
  return devices.reduce((sum, device) => sum + device.leases.length, 0);
}

it('lists models', async () => {
  expect((await client.models.list()).data).toMatchObject([{ id: MODEL, object: 'model' }]);
  expect(await client.models.retrieve(MODEL)).toMatchObject({ id: MODEL });
});

describe('a file', () => {
  it('is created, listed, read and deleted, and its tenant’s alone', async () => {
    const file = await client.files.create({ file: createReadStream(PDF), purpose: 'user_data' });
    const content = readFileSync(PDF);
    expect(file).toMatchObject({
      object: 'file',
      filename: 'receipt.pdf',
      bytes: content.length,
      purpose: 'user_data',
    });
    expect(await client.files.retrieve(file.id)).toMatchObject({ id: file.id, bytes: content.length });
    const listed: string[] = [];
    for await (const { id } of client.files.list({ limit: 1 })) listed.push(id);
    expect(listed).toContain(file.id);
    expect(Buffer.from(await (await client.files.content(file.id)).arrayBuffer()).equals(content)).toBe(true);

    const other = system.client('globex');
    await expect(other.files.retrieve(file.id)).rejects.toBeInstanceOf(NotFoundError);
    expect((await other.files.list()).data).toEqual([]);

    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(NotFoundError);
  });
});

it('uploads a document in parts, and asks about it', async () => {
  const content = readFileSync(PDF);
  const { id } = await client.uploads.create({
    bytes: content.length,
    filename: 'receipt.pdf',
    mime_type: 'application/pdf',
    purpose: 'user_data',
  });
  const cut = content.length >> 1;
  const parts = await Promise.all(
    [content.subarray(0, cut), content.subarray(cut)].map(async (piece) =>
      client.uploads.parts.create(id, { data: await toFile(piece, 'part') }),
    ),
  );
  const upload = await client.uploads.complete(id, { part_ids: parts.map((part) => part.id) });
  const file_id = upload.file?.id ?? '';
  const stored = await (await client.files.content(file_id)).arrayBuffer();
  expect(Buffer.from(stored).equals(content)).toBe(true);
  const { usage } = await client.chat.completions.create(ask([text, filePart({ file_id })]));
  expect(usage).toMatchObject({ completion_tokens: 4 });
});

describe('a chat completion', () => {
  it('about a PDF gives the same answer by file_data and by file_id, streamed or not', async () => {
    const { id } = await client.files.create({ file: createReadStream(PDF), purpose: 'user_data' });
    const [byData, byId] = await Promise.all([
      client.chat.completions.create(ask([text, filePart({ file_data: dataUrl(PDF, 'application/pdf') })])),
      client.chat.completions.create(ask([text, filePart({ file_id: id })])),
    ]);
    const answer = byData.choices[0]?.message.content;
    expect(answer).not.toBe('');
    expect(byData).toMatchObject({
      object: 'chat.completion',
      model: MODEL,
      choices: [{ finish_reason: 'length' }],
      usage: { completion_tokens: 4 },
      madakv: {
        trace_id: byData.id,
        requested_cache_ratio: 0.2,
        prompt_tokens: { visual: expect.any(Number) as number },
      },
    });
    expect(byId.choices[0]?.message.content).toBe(answer);
    // Those that come together may be read together; how many tokens each was spared is its own.
    const counted = { ...byData.usage, prompt_tokens_details: { cached_tokens: expect.any(Number) as number } };
    expect(byId.usage).toEqual(counted);

    const stream = await client.chat.completions.create({
      ...ask([text, filePart({ file_id: id })]),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(answer);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: counted });
    expect(chunks.find(({ choices }) => choices[0]?.finish_reason != null)).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      madakv: { trace_id: chunks[0]?.id, bytes: { kept: expect.any(Number) as number } },
    });
  });

  it('is asked for as a response as well', async () => {
    const { id } = await client.files.create({ file: createReadStream(PDF), purpose: 'user_data' });
    const completion = await client.chat.completions.create(ask([text, filePart({ file_id: id })]));
    const content = [
      { type: 'input_text' as const, text: text.text },
      { type: 'input_file' as const, file_id: id },
    ];
    const body = { model: MODEL, max_output_tokens: 4, input: [{ role: 'user' as const, content }] };
    const response = await client.responses.create(body);
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(response.output_text).toBe(completion.choices[0]?.message.content);
    const final = await client.responses.stream(body).finalResponse();
    expect(final.output).toMatchObject([{ content: [{ text: response.output_text }] }]);
  });

  it('about an image, and about none', async () => {
    const image = { type: 'image_url' as const, image_url: { url: dataUrl(PNG, 'image/png') } };
    const [seen, blind] = await Promise.all([
      client.chat.completions.create(ask([image, text])),
      client.chat.completions.create(ask('Total?')),
    ]);
    expect(seen.usage?.prompt_tokens).toBeGreaterThan(blind.usage?.prompt_tokens ?? Infinity);
  });

  it('about what is no document has the status and code of its error', async () => {
    const failed = client.chat.completions.create(
      ask([text, filePart({ file_data: `data:application/pdf;base64,${btoa('%PDF-1.7 nothing')}` })]),
    );
    await expect(failed).rejects.toBeInstanceOf(BadRequestError);
    await expect(failed).rejects.toMatchObject({ status: 400, code: expect.stringMatching(/pdf/) as string });
  });

  it('ends when its caller hangs up, and its memory is free', async () => {
    const caller = new AbortController();
    const failed = client.chat.completions.create(ask('Total?', ENDLESS), { signal: caller.signal });
    failed.catch(() => undefined);
    await expect.poll(leases).toBe(1);
    caller.abort();
    await expect(failed).rejects.toBeInstanceOf(APIUserAbortError);
    await expect.poll(leases).toBe(0);
  });

  it('ends when its caller leaves the stream, and its memory is free', async () => {
    const stream = await client.chat.completions.create({ ...ask('Total?', ENDLESS), stream: true });
    for await (const { choices } of stream) if (choices.length > 0) break;
    await expect.poll(leases).toBe(0);
  });
});

describe('a batch', () => {
  it('is answered, as far as its lines can be', async () => {
    const { id: file_id } = await client.files.create({ file: createReadStream(PDF), purpose: 'user_data' });
    const { id, status } = await submitBatch(client, [
      ask([text, filePart({ file_id })]),
      ask([text, filePart({ file_data: dataUrl(PDF, 'application/pdf') })]),
      ask([text, filePart({ file_id: 'file-none' })]),
      { model: MODEL },
      ask('Total?', { model: 'nobody' }),
      ask('Total?'),
      ask('Total?', { tools: [{ type: 'function', function: { name: 'a' } }] }),
    ]);
    expect(status).toBe('validating');
    const batch = await ended(client, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 7, completed: 3, failed: 4 } });
    const [output, errors] = [
      await resultsOf(client, batch.output_file_id),
      await resultsOf(client, batch.error_file_id),
    ];
    expect(output.map(({ custom_id }) => custom_id)).toEqual(['c1', 'c2', 'c6']);
    const answers = output.map(({ response }) => ChatCompletionSchema.parse(response?.body));
    expect(answers[1].choices[0]?.message.content).toBe(answers[0].choices[0]?.message.content);
    expect(batch.usage?.output_tokens).toBe(12);
    expect(errors).toMatchObject([
      { custom_id: 'c3', response: { status_code: 404, body: { error: { code: 'not_found' } } } },
      { custom_id: 'c4', response: { status_code: 400, body: { error: { param: 'messages' } } } },
      { custom_id: 'c5', response: { status_code: 404, body: { error: { code: 'model_not_found' } } } },
      { custom_id: 'c7', response: { status_code: 400, body: { error: { param: 'tools' } } } },
    ]);
    const listed: string[] = [];
    for await (const found of client.batches.list({ limit: 1 })) listed.push(found.id);
    expect(listed).toContain(id);
    await expect(system.client('globex').batches.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
  });

  it('fails as a whole where its file has no requests', async () => {
    const { id } = await submitBatch(client, []);
    expect(await ended(client, id)).toMatchObject({
      status: 'failed',
      errors: { data: [{ code: expect.any(String) as string }] },
    });
  });

  it('is cancelled: what is answered stays', async () => {
    const { id } = await submitBatch(client, [ask('Total?'), ask('Total?', ENDLESS), ask('Date?', ENDLESS)]);
    await expect.poll(async () => (await client.batches.retrieve(id)).request_counts?.completed).toBe(1);
    expect((await client.batches.cancel(id)).status).toBe('cancelling');
    await endedEarly(id, 'cancelled');
  });

  it('expires: what is answered stays', async () => {
    const expiring = system.client(
      'acme',
      await system.addGateway({ MADAKV_GATEWAY_BATCH_EXPIRY_MS: String(EXPIRY_MS) }),
    );
    const { id } = await submitBatch(expiring, [ask('Total?'), ask('Total?', ENDLESS), ask('Date?', ENDLESS)]);
    await endedEarly(id, 'expired');
  });

  async function endedEarly(id: string, status: 'cancelled' | 'expired'): Promise<void> {
    const batch = await ended(client, id);
    expect(batch).toMatchObject({ status, request_counts: { total: 3, completed: 1 } });
    expect(await resultsOf(client, batch.output_file_id)).toMatchObject([
      { custom_id: 'c1', response: { status_code: 200 } },
    ]);
    const code = `batch_${status}`;
    expect(await resultsOf(client, batch.error_file_id)).toMatchObject([
      { custom_id: 'c2', response: null, error: { code } },
      { custom_id: 'c3', response: null, error: { code } },
    ]);
    await expect.poll(leases).toBe(0);
  }
});
