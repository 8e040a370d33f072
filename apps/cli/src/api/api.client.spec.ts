import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from './api.client.js';
import { FakeApiServer } from './fake.api.server.js';

let server: FakeApiServer;
let client: ApiClient;
const never = new AbortController().signal;

beforeEach(async () => {
  server = new FakeApiServer();
  client = new ApiClient({ url: `${await server.start()}/v1/`, apiKey: 'mk-1', signal: never, pauseMs: 1 });
});
afterEach(() => server.stop());

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const piece of content) text += Buffer.from(piece).toString();
  return text;
}

describe('ApiClient', () => {
  it('uploads, reads and deletes files with its key', async () => {
    const { id, filename } = await client.uploadFile(new Blob(['päge']), 'a.pdf', 'user_data');
    expect(filename).toBe('a.pdf');
    expect(await textOf(await client.fileContent(id))).toBe('päge');
    await client.deleteFile(id);
    await expect(client.file(id)).rejects.toMatchObject({ status: 404, code: 'not_found' });
    expect([...server.authorizations]).toEqual(['Bearer mk-1']);
  });

  it('repeats what can pass later, and says the last error when it does not', async () => {
    server.failNext.push({ status: 503 }, { status: 429, headers: { 'retry-after': '0' } });
    expect(await client.models()).toHaveLength(1);
    server.failNext.push(...Array.from({ length: 6 }, () => ({ status: 503 })));
    await expect(client.models()).rejects.toThrow('planned 503 (503 planned)');
    expect(server.failNext).toEqual([]);
  });

  it('does not repeat a mistake', async () => {
    server.failNext.push({ status: 400 });
    await expect(client.models()).rejects.toMatchObject({ status: 400 });
    expect(server.calls).toHaveLength(1);
  });

  it('does not repeat what the server says will not pass', async () => {
    server.failNext.push({ status: 429, headers: { 'retry-after': '40000', 'x-should-retry': 'false' } });
    await expect(client.models()).rejects.toMatchObject({ status: 429 });
    expect(server.calls).toHaveLength(1);
  });

  it('creates one batch of an input file, however often it has to ask', async () => {
    server.failNext.push({ status: 429, headers: { 'retry-after': '0' } }, { status: 503 });
    const { id } = await client.createBatch('file-1');
    expect((await client.createBatch('file-1')).id).toBe(id);
    expect(server.batches.size).toBe(1);
  });

  it('does not ask a question again of which nobody knows what became', async () => {
    server.failNext.push({ status: 503 });
    const answer = client.streamChat({ model: 'm', messages: [{ role: 'user', content: 'x' }] });
    await expect(answer.next()).rejects.toMatchObject({ status: 503 });
    expect(server.calls).toHaveLength(1);
  });

  it('lists all pages of batches', async () => {
    for (let i = 0; i < 5; i++) await client.createBatch(`file-${i}`);
    const found = [];
    for await (const { input_file_id } of client.batches(2)) found.push(input_file_id);
    expect(found).toEqual(['file-4', 'file-3', 'file-2', 'file-1', 'file-0']);
  });

  it('streams an answer', async () => {
    let text = '';
    let kept: number | undefined;
    for await (const chunk of client.streamChat({ model: 'm', messages: [{ role: 'user', content: 'the total' }] })) {
      text += chunk.choices.map(({ delta }) => delta.content ?? '').join('');
      kept = chunk.madakv?.bytes.kept ?? kept;
    }
    expect({ text, kept }).toEqual({ text: 'answer to the total', kept: 2_048_000 });
    expect(server.asked[0]).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  it('says how to start a server when none answers', async () => {
    await server.stop();
    await expect(client.createBatch('file-1')).rejects.toThrow(/no server answers at http.*ECONNREFUSED.*madakv up/);
    await server.start();
  });

  it('does not take any web page for the API', async () => {
    server.models = [undefined as unknown as string];
    await expect(client.models()).rejects.toThrow('is this the right address?');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const stopping = new ApiClient({ url: server.url, signal: stop.signal, pauseMs: 60_000 });
    server.failNext.push({ status: 503 });
    const call = stopping.models();
    await expect.poll(() => server.calls.length).toBe(1);
    stop.abort(new Error('told to'));
    await expect(call).rejects.toThrow('told to');
  });
});
