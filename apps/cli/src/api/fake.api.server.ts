import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BatchObject, FileObject, TraceDocument } from '@madakv/contracts';
import type { AnswerWarning } from './answer.warnings.js';
import {
  batchResults,
  completionOf,
  extractionOf,
  isExtraction,
  questionOf,
  summaryOf,
  USAGE,
  type FakeAnswer,
} from './fake.answers.js';
import { fail, list, pageOf, send, uploadOf } from './fake.http.js';
import { FakeUploads } from './fake.uploads.js';

interface StoredFile {
  readonly object: FileObject;
  readonly content: Buffer;
}

interface StoredBatch {
  object: BatchObject;
  looks: number;
}

/** The API without a model behind it, in memory: files, batches, chat and traces as the command line uses them. For tests. */
export class FakeApiServer {
  /** Model ids. */
  models = ['fake-reader'];
  readonly files = new Map<string, StoredFile>();
  readonly batches = new Map<string, StoredBatch>();
  readonly traces = new Map<string, TraceDocument>();
  /** `POST /v1/files` and the like, in order. */
  readonly calls: string[] = [];
  readonly authorizations = new Set<string>();
  /** Bodies of chat completions and of batch lines. */
  readonly asked: Record<string, unknown>[] = [];
  /** Bodies of batches that were created. */
  readonly created: object[] = [];
  /** What to answer to a question. */
  answer: (question: string, body: Record<string, unknown>) => FakeAnswer = (question) => `answer to ${question}`;
  /** Whether it knows `madakv.extract`; each of its questions is answered by `answer`. */
  extracts = true;
  /** What its answers warn of. */
  warnings: readonly AnswerWarning[] = [];
  /** Why an upload is not taken, by its content; undefined where it is. */
  refuseUpload: (content: string, filename: string) => string | undefined = () => undefined;
  /** Whether deleting is a conflict, as of a file that a batch reads. */
  refuseDeletes = false;
  /** All that was ever uploaded, also what is deleted by now. */
  readonly uploads: FileObject[] = [];
  /** Those that come in parts. */
  readonly parted = new FakeUploads((...upload) => {
    const object = this.store(...upload);
    this.uploads.push(object);
    return object;
  });
  /** When set, calls need this key. */
  apiKey: string | undefined;
  /** Looks at a batch until it has ended. */
  looksUntilDone = 1;
  /** Seconds that a batch says it took. */
  batchSeconds = 1;
  /** Lines of the input file that are refused, by number. */
  refusedLines: readonly number[] = [];
  /** When set, batches fail validation with this. */
  refusal: string | undefined;
  /** Statuses for the next calls, whatever they ask. */
  readonly failNext: { readonly status: number; readonly headers?: Record<string, string> }[] = [];

  /** Told of each call when it has come, and before it is answered. */
  onCall: (call: string) => void = () => undefined;

  private readonly batchOfKey = new Map<string, string>();
  private ids = 0;
  private readonly server = createServer((request, response) => {
    this.handle(request, response).catch((error: unknown) => {
      fail(response, 500, 'internal_error', String(error));
    });
  });

  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Makes a file older than it is, by seconds. */
  age(id: string, seconds: number): void {
    const file = this.files.get(id);
    if (file === undefined) throw new Error(`no file ${id}`);
    const object = { ...file.object, created_at: file.object.created_at - seconds };
    this.files.set(id, { ...file, object });
  }

  count(call: string): number {
    return this.calls.filter((made) => made === call).length;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    this.calls.push(`${request.method ?? ''} ${pathname}`);
    this.onCall(this.calls.at(-1) ?? '');
    this.authorizations.add(request.headers.authorization ?? '');
    const planned = this.failNext.shift();
    if (planned !== undefined) {
      fail(response, planned.status, 'planned', `planned ${planned.status}`, planned.headers);
      return;
    }
    if (this.apiKey !== undefined && request.headers.authorization !== `Bearer ${this.apiKey}`) {
      fail(response, 401, 'invalid_api_key', 'no such key');
      return;
    }
    const [kind, id = '', part] = pathname.split('/').slice(2) as [string, ...(string | undefined)[]];
    switch (`${request.method ?? ''} ${kind}`) {
      case 'GET models':
        send(
          response,
          list(this.models.map((model) => ({ id: model, object: 'model', created: 1, owned_by: 'fake' }))),
        );
        return;
      case 'POST files':
        await this.takeUpload(request, body, response);
        return;
      case 'GET files':
        if (id === '') this.sendFiles(response, searchParams);
        else this.sendFile(response, id, part);
        return;
      case 'DELETE files':
        if (this.refuseDeletes) fail(response, 409, 'conflict', `${id} is read by a batch`);
        else if (this.files.delete(id)) send(response, { id, object: 'file', deleted: true });
        else fail(response, 404, 'not_found', `no file ${id}`);
        return;
      case 'POST uploads':
        await this.parted.handle(request, response, body, id, part);
        return;
      case 'POST batches':
        if (part === 'retry') this.sendRetry(response, id);
        else
          send(response, id === '' ? this.createBatch(body, request.headers['idempotency-key']) : this.cancelBatch(id));
        return;
      case 'GET batches':
        if (part === 'results') response.end(`${id} ${searchParams.toString()}\n`);
        else this.sendBatch(response, id, searchParams);
        return;
      case 'POST chat':
        this.chat(response, JSON.parse(body.toString()) as Record<string, unknown>);
        return;
      case 'GET requests': {
        const trace = this.traces.get(id);
        if (trace === undefined) fail(response, 404, 'not_found', `no request ${id}`);
        else send(response, trace);
        return;
      }
      default:
        fail(response, 404, 'not_found', pathname);
    }
  }

  private async takeUpload(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const { filename, content, purpose, expiresAfterS } = await uploadOf(request, body);
    const refusal = this.refuseUpload(content.toString(), filename);
    if (refusal !== undefined) {
      fail(response, 400, 'invalid_document', refusal);
      return;
    }
    const object = this.store(content, filename, purpose, expiresAfterS);
    this.uploads.push(object);
    send(response, object);
  }

  private store(content: Buffer, filename: string, purpose: FileObject['purpose'], expiresAfterS?: number): FileObject {
    const created = Math.floor(Date.now() / 1000);
    const object: FileObject = {
      id: `file-${++this.ids}`,
      object: 'file',
      bytes: content.length,
      created_at: created,
      ...(expiresAfterS === undefined ? {} : { expires_at: created + expiresAfterS }),
      filename,
      purpose,
      status: 'processed',
    };
    this.files.set(object.id, { object, content });
    return object;
  }

  private sendFiles(response: ServerResponse, query: URLSearchParams): void {
    const all = [...this.files.values()].map(({ object }) => object);
    const purpose = query.get('purpose');
    send(response, pageOf(purpose === null ? all : all.filter((file) => file.purpose === purpose), query));
  }

  private sendFile(response: ServerResponse, id: string, part: string | undefined): void {
    const file = this.files.get(id);
    if (file === undefined) fail(response, 404, 'not_found', `no file ${id}`);
    else if (part === 'content') response.end(file.content);
    else send(response, file.object);
  }

  /** As the server: the same batch for who asks again, and none where nothing failed. */
  private sendRetry(response: ServerResponse, id: string): void {
    const batch = this.batches.get(id);
    if (batch === undefined) fail(response, 404, 'not_found', `no batch ${id}`);
    else if (batch.object.request_counts.failed === 0) fail(response, 409, 'conflict', `No line of ${id} failed.`);
    else {
      const { input_file_id } = batch.object;
      send(response, this.createBatch(Buffer.from(JSON.stringify({ input_file_id })), `retry of ${id}`));
    }
  }

  private createBatch(body: Buffer, key: string | string[] | undefined): BatchObject {
    const known = this.batches.get(this.batchOfKey.get(String(key)) ?? '');
    if (known !== undefined) return known.object;
    const asked = JSON.parse(body.toString()) as { input_file_id: string };
    this.created.push(asked);
    const { input_file_id } = asked;
    const object: BatchObject = {
      id: `batch_${++this.ids}`,
      object: 'batch',
      endpoint: '/v1/chat/completions',
      input_file_id,
      completion_window: '24h',
      status: 'validating',
      created_at: 1,
      request_counts: { total: 0, completed: 0, failed: 0 },
      metadata: null,
    };
    this.batches.set(object.id, { object, looks: 0 });
    this.batchOfKey.set(String(key), object.id);
    return object;
  }

  private cancelBatch(id: string): BatchObject {
    const batch = this.batches.get(id);
    if (batch === undefined) throw new Error(`no batch ${id}`);
    batch.object = { ...batch.object, status: 'cancelled' };
    return batch.object;
  }

  private sendBatch(response: ServerResponse, id: string, query: URLSearchParams): void {
    if (id === '') {
      send(
        response,
        pageOf(
          [...this.batches.values()].map(({ object }) => object),
          query,
        ),
      );
      return;
    }
    const batch = this.batches.get(id);
    if (batch === undefined) {
      fail(response, 404, 'not_found', `no batch ${id}`);
      return;
    }
    if (++batch.looks >= this.looksUntilDone && batch.object.status !== 'cancelled') this.finish(batch);
    send(response, batch.object);
  }

  private finish(batch: StoredBatch): void {
    if (batch.object.status === 'completed') return;
    if (this.refusal !== undefined) {
      const data = [{ code: 'invalid_request', message: this.refusal, line: 1, param: null }];
      batch.object = { ...batch.object, status: 'failed', errors: { object: 'list', data } };
      return;
    }
    const input = this.files.get(batch.object.input_file_id)?.content ?? Buffer.alloc(0);
    const { output, errors } = batchResults(batch.object.id, input, this.refusedLines, (id, body) =>
      this.reply(id, body),
    );
    const counts = { total: output.length + errors.length, completed: output.length, failed: errors.length };
    const fileOf = (lines: string[]): string =>
      this.store(Buffer.from(`${lines.join('\n')}\n`), 'out.jsonl', 'batch_output').id;
    batch.object = {
      ...batch.object,
      status: 'completed',
      request_counts: counts,
      completed_at: 1 + this.batchSeconds,
      ...(output.length === 0 ? {} : { output_file_id: fileOf(output) }),
      ...(errors.length === 0 ? {} : { error_file_id: fileOf(errors) }),
    };
  }

  private reply(id: string, body: Record<string, unknown>): { status_code: number; body: Record<string, unknown> } {
    this.asked.push(body);
    const extraction = isExtraction(body) && this.extracts ? extractionOf(body, this.answer) : undefined;
    const answer = extraction?.answer ?? this.answer(questionOf(body), body);
    return completionOf(id, String(body['model']), answer, this.warnings, extraction?.fields);
  }

  private chat(response: ServerResponse, body: Record<string, unknown>): void {
    this.asked.push(body);
    const answer = this.answer(questionOf(body), body);
    if (typeof answer !== 'string') {
      fail(response, answer.status, answer.code, answer.message);
      return;
    }
    const id = `chatcmpl-${++this.ids}`;
    const chunk = (content: object): string =>
      `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1, model: String(body['model']), ...content })}\n\n`;
    const choice = (delta: object, finish_reason: string | null = null): object => ({
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': nothing to say yet\n\n');
    for (const word of answer.split(/(?<= )/)) response.write(chunk(choice({ content: word })));
    response.write(chunk(choice({}, 'stop')));
    response.write(chunk({ choices: [], usage: USAGE, madakv: summaryOf(id, this.warnings) }));
    response.end('data: [DONE]\n\n');
  }
}
