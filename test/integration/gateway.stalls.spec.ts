import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchInput, KEYS, MODEL, TestGateway } from './gateway.fixture.js';

/** Nothing may move for this long; a body may take this long in all. In milliseconds. */
const [STALL_MS, BODY_MS] = [4_000, 60_000];
/** Between two pieces of what moves slowly: far less than it may stand still. */
const PAUSE_MS = 100;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({
    MADAKV_GATEWAY_STALL_MS: String(STALL_MS),
    MADAKV_GATEWAY_BODY_MS: String(BODY_MS),
  });
});
afterAll(() => gateway.stop());

const JSON_TYPE = 'application/json';
const FORM = 'multipart/form-data; boundary=b';
const FORM_START =
  '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' +
  '--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n';
const FORM_END = '\r\n--b--\r\n';
const [CHAT_START, CHAT_END] = [`{"model": "${MODEL}", "messages": [`, '{"role": "user", "content": "say: a"}]}'];

/** A request whose body is sent by hand. */
function send(path: string, type: string, headers: object = {}, { url } = { url: gateway.url }): ClientRequest {
  const sending = request(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEYS.acme}`, 'content-type': type, ...headers },
  });
  sending.on('error', () => undefined);
  return sending;
}

async function answerTo(sending: ClientRequest): Promise<{ status: number; headers: object; body: string }> {
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

/** Writes pieces with little time between them. */
async function drip(sending: ClientRequest, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    sending.write(piece);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

describe('a body that stops arriving', () => {
  it.each([
    ['of a chat completion', '/v1/chat/completions', JSON_TYPE, CHAT_START],
    ['of a batch', '/v1/batches', JSON_TYPE, '{"input'],
    ['of a file, in its content', '/v1/files', FORM, `${FORM_START}{"custom_id`],
    ['of a file, before it', '/v1/files', FORM, '--b\r\ncontent-dispo'],
    ['that is compressed', '/v1/chat/completions', JSON_TYPE, '\x1f'],
  ])('%s is answered with 408, and the connection closed', async (what, path, type, start) => {
    const before = await gateway.keysBelow('');
    const sending = send(path, type, what.includes('compressed') ? { 'content-encoding': 'gzip' } : {});
    const closed = new Promise((resolve) => sending.once('socket', (socket) => socket.once('close', resolve)));
    sending.write(start);
    const { status, headers, body } = await answerTo(sending);
    expect([status, headers]).toMatchObject([408, { connection: 'close', 'x-should-retry': 'true' }]);
    expect(JSON.parse(body)).toMatchObject({
      error: { code: 'request_timeout', message: `Nothing of the body came for ${STALL_MS} ms.` },
    });
    await closed;
    expect(await gateway.keysBelow('')).toEqual(before);
  });

  it('after an answer that needs none of it ends the connection', async () => {
    const sending = send('/v1/nothing', JSON_TYPE, { 'content-length': '1000' });
    const closed = new Promise((resolve) => sending.once('socket', (socket) => socket.once('close', resolve)));
    sending.write('{');
    expect((await answerTo(sending)).status).toBe(404);
    sending.write('{');
    await closed;
  });
});

describe('a body that moves slowly', () => {
  it('is taken, though it takes longer than it may stand still', async () => {
    const chat = send('/v1/chat/completions', JSON_TYPE);
    const file = send('/v1/files', FORM);
    const answers = Promise.all([answerTo(chat), answerTo(file)]);
    const line = batchInput(1).toString().trimEnd();
    const spaces = Array.from({ length: (1.5 * STALL_MS) / PAUSE_MS }, () => ' ');
    file.write(FORM_START);
    await Promise.all([drip(chat, [CHAT_START, ...spaces, CHAT_END]), drip(file, [...spaces, line])]);
    chat.end();
    file.end(FORM_END);
    const [{ status, body }, stored] = await answers;
    expect([status, stored.status]).toEqual([200, 200]);
    expect(body).toContain('"content":"a"');
    expect(JSON.parse(stored.body)).toMatchObject({ bytes: spaces.length + line.length });
  });

  it('has an end all the same', async () => {
    const bodyMs = 6_000;
    const other = await gateway.beside({ MADAKV_GATEWAY_BODY_MS: String(bodyMs) });
    const sending = send('/v1/chat/completions', JSON_TYPE, {}, other);
    const answer = answerTo(sending);
    const endless = (function* () {
      for (yield CHAT_START; !sending.destroyed;) yield ' ';
    })();
    const dripping = drip(sending, endless);
    const { status, body } = await answer;
    expect(status).toBe(408);
    expect(body).toContain(`The body was not there after ${bodyMs} ms.`);
    await dripping;
    await other.stop();
  });
});

describe('an answer that is not read', () => {
  /** More than any buffer between the two ends holds. */
  const LINES = 200_000;

  /** Asks for something, reads the beginning of the answer, and then no more. @returns when the connection is closed */
  async function askAndStall(head: string, body = ''): Promise<void> {
    const accepted = once(gateway.app.getHttpServer(), 'connection') as Promise<[Socket]>;
    const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1' });
    socket.on('error', () => undefined);
    const [other] = await accepted;
    const ended = once(other, 'close');
    socket.write(`${head} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEYS.acme}\r\n`);
    socket.write(`content-type: ${JSON_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await once(socket, 'readable');
    await ended;
    socket.destroy();
  }

  it('of a file ends the connection', async () => {
    const content = batchInput(LINES);
    const file = await gateway.client().files.create({ file: await toFile(content, 'a.jsonl'), purpose: 'batch' });
    await askAndStall(`GET /v1/files/${file.id}/content`);
    await gateway.client().files.delete(file.id);
  });

  it('of a stream ends the connection and the request', async () => {
    const tokens = Array.from({ length: 40 }, () => 'x'.repeat(500_000)).join('|');
    const body = JSON.stringify({
      model: MODEL,
      stream: true,
      messages: [{ role: 'user', content: `hang: ${tokens}` }],
    });
    const { hanging, cancelled } = gateway.worker;
    await askAndStall('POST /v1/chat/completions', body);
    await expect.poll(() => hanging.length).toBe(1);
    await expect.poll(() => cancelled).toEqual(hanging);
  });
});

it('whoever waits for an answer is not the one who stalls', async () => {
  const { hanging } = gateway.worker;
  const before = hanging.length;
  const asked = gateway.client().chat.completions.create({
    model: MODEL,
    messages: [{ role: 'user', content: 'hang: a' }],
  });
  asked.catch(() => undefined);
  await expect.poll(() => hanging.length).toBe(before + 1);
  await new Promise((resolve) => setTimeout(resolve, 3 * STALL_MS));
  await gateway.records.cancellations.cancel(hanging[before], 'cancelled');
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
});
