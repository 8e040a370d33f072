import { setTimeout as pause } from 'node:timers/promises';
import {
  BATCH_ENDPOINT,
  BatchObjectSchema,
  ChatCompletionChunkSchema,
  ErrorBodySchema,
  FileObjectSchema,
  ModelObjectSchema,
  SessionLinkSchema,
  TraceDocumentSchema,
  UploadObjectSchema,
  UploadPartSchema,
  UsageReportSchema,
  WebhookDeliverySchema,
  WebhookSchema,
  WebhookWithSecretSchema,
  type BatchObject,
  type ChatRequest,
  type FileObject,
  type FilePurpose,
  type ModelObject,
  type TraceDocument,
  type UploadObject,
  type UploadPart,
  type UploadPurpose,
  type UsageReport,
  type Webhook,
  type WebhookDelivery,
  type WebhookEventType,
  type WebhookWithSecret,
} from '@madakv/contracts';
import { z } from 'zod';
import { ApiError, UnexpectedAnswerError, UnreachableError } from './api.errors.js';
import { WarnedSummarySchema } from './answer.warnings.js';
import { bodyOf, errorOf, parsed } from './api.response.js';
import { eventData } from './event.stream.js';

export interface ApiClientOptions {
  /** `http://127.0.0.1:8000`; a trailing `/v1` is the same. */
  readonly url: string;
  readonly apiKey?: string;
  readonly signal: AbortSignal;
  /** Whether the command can start a server itself, for what is said when there is none. */
  readonly startsLocal?: boolean;
  /** Pause before the first repetition; it doubles with each. */
  readonly pauseMs?: number;
}

/** Repetitions of a call that may pass later. */
const RETRIES = 5;
const PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;
/** Answers that say nothing about the request itself. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** What of usage is asked for, as its query has it. */
export interface UsageAsked {
  /** `2026-11-28` */
  readonly start: string;
  readonly group_by?: string;
  readonly tenant?: string;
}

interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** May be repeated when nobody knows what became of it. GET always may. */
  readonly mode?: 'repeatable';
}

const WarnedChunkSchema = ChatCompletionChunkSchema.extend({ madakv: WarnedSummarySchema.optional() });
export type WarnedChunk = z.infer<typeof WarnedChunkSchema>;

const pageOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), has_more: z.boolean().optional() });

/** The part of the API that the command line uses. Calls reject with ApiError, UnreachableError or the signal's reason. */
export class ApiClient {
  readonly url: string;

  constructor(private readonly options: ApiClientOptions) {
    this.url = options.url.replace(/\/+$/, '').replace(/\/v1$/, '');
  }

  /** The same server, with another signal to stop at. */
  detached(signal: AbortSignal): ApiClient {
    return new ApiClient({ ...this.options, signal });
  }

  async models(): Promise<ModelObject[]> {
    return (await this.json('GET', '/v1/models', pageOf(ModelObjectSchema))).data;
  }

  /** What opens the page in a browser, signed in; once. */
  async pageLink(): Promise<string> {
    const { path } = await this.json('POST', '/v1/session/links', SessionLinkSchema, { mode: 'repeatable' });
    return `${this.url}${path}`;
  }

  /**
   * Repeating an upload leaves a file that nobody names.
   * @param expiresAfterS seconds after which the server deletes it; never by itself without
   */
  uploadFile(
    content: Blob,
    filename: string,
    purpose: UploadPurpose,
    { expiresAfterS }: { readonly expiresAfterS?: number } = {},
  ): Promise<FileObject> {
    const form = new FormData();
    form.set('purpose', purpose);
    if (expiresAfterS !== undefined) {
      form.set('expires_after[anchor]', 'created_at');
      form.set('expires_after[seconds]', String(expiresAfterS));
    }
    form.set('file', content, filename);
    return this.json('POST', '/v1/files', FileObjectSchema, { body: form, mode: 'repeatable' });
  }

  /** Begins a file that comes in parts. One that is never completed goes by itself. */
  createUpload(file: {
    readonly bytes: number;
    readonly filename: string;
    readonly purpose: UploadPurpose;
    readonly expiresAfterS?: number;
  }): Promise<UploadObject> {
    const { bytes, filename, purpose, expiresAfterS: seconds } = file;
    const mime_type = purpose === 'batch' ? 'application/jsonl' : 'application/octet-stream';
    const expiry = seconds === undefined ? {} : { expires_after: { anchor: 'created_at', seconds } };
    const body = { bytes, filename, purpose, mime_type, ...expiry };
    return this.json('POST', '/v1/uploads', UploadObjectSchema, { body, mode: 'repeatable' });
  }

  /** Sent twice, it is two parts, of which one is named in the end. */
  addUploadPart(uploadId: string, content: Blob): Promise<UploadPart> {
    const form = new FormData();
    form.set('data', content, 'part');
    const path = `/v1/uploads/${encodeURIComponent(uploadId)}/parts`;
    return this.json('POST', path, UploadPartSchema, { body: form, mode: 'repeatable' });
  }

  completeUpload(uploadId: string, partIds: readonly string[]): Promise<UploadObject> {
    const path = `/v1/uploads/${encodeURIComponent(uploadId)}/complete`;
    return this.json('POST', path, UploadObjectSchema, { body: { part_ids: partIds }, mode: 'repeatable' });
  }

  file(id: string): Promise<FileObject> {
    return this.json('GET', `/v1/files/${encodeURIComponent(id)}`, FileObjectSchema);
  }

  /** Newest first. */
  files(purpose?: FilePurpose, pageSize = 1_000): AsyncGenerator<FileObject> {
    const query = purpose === undefined ? '' : `&purpose=${purpose}`;
    return this.pages('/v1/files', `limit=${pageSize}${query}`, FileObjectSchema);
  }

  async fileContent(id: string): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.call('GET', `/v1/files/${encodeURIComponent(id)}/content`);
    return bodyOf(response);
  }

  async deleteFile(id: string): Promise<void> {
    await this.call('DELETE', `/v1/files/${encodeURIComponent(id)}`, { mode: 'repeatable' });
  }

  /**
   * The batch of an input file: asked for again, it is the same one.
   * @param outputExpiresAfterS seconds after which the server deletes its results; never by itself without
   */
  createBatch(
    inputFileId: string,
    { outputExpiresAfterS: seconds }: { readonly outputExpiresAfterS?: number } = {},
  ): Promise<BatchObject> {
    const body = {
      input_file_id: inputFileId,
      endpoint: BATCH_ENDPOINT,
      completion_window: '24h',
      ...(seconds === undefined ? {} : { output_expires_after: { anchor: 'created_at', seconds } }),
    };
    const headers = { 'idempotency-key': inputFileId };
    return this.json('POST', '/v1/batches', BatchObjectSchema, { body, headers, mode: 'repeatable' });
  }

  batch(id: string): Promise<BatchObject> {
    return this.json('GET', `/v1/batches/${encodeURIComponent(id)}`, BatchObjectSchema);
  }

  cancelBatch(id: string): Promise<BatchObject> {
    return this.json('POST', `/v1/batches/${encodeURIComponent(id)}/cancel`, BatchObjectSchema, { mode: 'repeatable' });
  }

  /** Newest first. */
  batches(pageSize = 100): AsyncGenerator<BatchObject> {
    return this.pages('/v1/batches', `limit=${pageSize}`, BatchObjectSchema);
  }

  /** Another batch, of the lines that failed: asked for again, it is the same one, as long as it runs or failed nowhere. */
  retryBatch(id: string): Promise<BatchObject> {
    return this.json('POST', `/v1/batches/${encodeURIComponent(id)}/retry`, BatchObjectSchema, { mode: 'repeatable' });
  }

  /** @param joined whether lines that failed have the results of retries */
  async batchResults(id: string, format: 'jsonl' | 'csv', joined: boolean): Promise<AsyncIterable<Uint8Array>> {
    const query = `format=${format}&joined=${joined}`;
    return bodyOf(await this.call('GET', `/v1/batches/${encodeURIComponent(id)}/results?${query}`));
  }

  async webhooks(): Promise<Webhook[]> {
    return (await this.json('GET', '/v1/webhooks', pageOf(WebhookSchema))).data;
  }

  createWebhook(url: string, events?: readonly WebhookEventType[], description?: string): Promise<WebhookWithSecret> {
    return this.json('POST', '/v1/webhooks', WebhookWithSecretSchema, { body: { url, events, description } });
  }

  enableWebhook(id: string): Promise<Webhook> {
    return this.json('POST', webhookPath(id), WebhookSchema, { body: { enabled: true }, mode: 'repeatable' });
  }

  async deleteWebhook(id: string): Promise<void> {
    await this.call('DELETE', webhookPath(id), { mode: 'repeatable' });
  }

  /** @param keepSeconds how long the secret before goes on to sign; as long as the server has it without */
  rotateWebhook(id: string, keepSeconds?: number): Promise<WebhookWithSecret> {
    const body = { keep_seconds: keepSeconds };
    return this.json('POST', `${webhookPath(id)}/rotate`, WebhookWithSecretSchema, { body });
  }

  /** Newest first. */
  webhookDeliveries(id: string, pageSize = 100): AsyncGenerator<WebhookDelivery> {
    return this.pages(`${webhookPath(id)}/deliveries`, `limit=${pageSize}`, WebhookDeliverySchema);
  }

  repeatDelivery(id: string, deliveryId: string): Promise<WebhookDelivery> {
    const path = `${webhookPath(id)}/deliveries/${encodeURIComponent(deliveryId)}/repeat`;
    return this.json('POST', path, WebhookDeliverySchema, { mode: 'repeatable' });
  }

  /** The pieces of an answer as they come. @throws ApiError also when the answer breaks off with an error */
  async *streamChat(request: ChatRequest): AsyncGenerator<WarnedChunk> {
    const body = { ...request, stream: true, stream_options: { include_usage: true } };
    const response = await this.call('POST', BATCH_ENDPOINT, { body });
    for await (const data of eventData(bodyOf(response))) {
      const event = parsed(data);
      const error = ErrorBodySchema.safeParse(event);
      if (error.success) throw new ApiError(error.data.error.message, response.status, error.data.error.code);
      yield this.checked(WarnedChunkSchema, event, BATCH_ENDPOINT);
    }
  }

  trace(requestId: string): Promise<TraceDocument> {
    return this.json('GET', `/v1/requests/${encodeURIComponent(requestId)}/trace`, TraceDocumentSchema);
  }

  usage(asked: UsageAsked): Promise<UsageReport> {
    return this.json('GET', usagePath(asked), UsageReportSchema);
  }

  /** The same as a table for spreadsheets. */
  async usageTable(asked: UsageAsked): Promise<AsyncIterable<Uint8Array>> {
    return bodyOf(await this.call('GET', `${usagePath(asked)}&format=csv`));
  }

  private async *pages<T extends { readonly id: string }>(
    path: string,
    query: string,
    item: z.ZodType<T>,
  ): AsyncGenerator<T> {
    let after = '';
    for (;;) {
      const page = await this.json('GET', `${path}?${query}${after}`, pageOf(item));
      yield* page.data;
      const last = page.data.at(-1)?.id;
      if (page.has_more !== true || last === undefined) return;
      after = `&after=${encodeURIComponent(last)}`;
    }
  }

  private async json<T>(method: string, path: string, schema: z.ZodType<T>, options: CallOptions = {}): Promise<T> {
    const response = await this.call(method, path, options);
    return this.checked(schema, parsed(await response.text()), path);
  }

  private checked<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw new UnexpectedAnswerError(`${this.url}${path}: not an answer of this API; is this the right address?`);
  }

  /** @returns a response with a status below 400 */
  private async call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const repeatable = method === 'GET' || options.mode === 'repeatable';
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once(method, path, options);
      } catch (error) {
        if (attempt >= RETRIES || !this.mayPass(error, repeatable)) throw error;
        await pause(this.pauseMs(error, attempt), undefined, { signal: this.options.signal }).catch(() => undefined);
        this.options.signal.throwIfAborted();
      }
    }
  }

  private async once(method: string, path: string, { body, headers }: CallOptions): Promise<Response> {
    const { apiKey, signal } = this.options;
    const plain = body === undefined || body instanceof FormData;
    let response: Response;
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(plain ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: plain ? body : JSON.stringify(body) }),
        signal,
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw new UnreachableError(this.url, this.options.startsLocal === true, { cause });
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    throw response.status === 401 ? this.keyError(error) : error;
  }

  private keyError({ message, said, status, code }: ApiError): ApiError {
    const { apiKey } = this.options;
    const own = 'of a system that `up` runs here the data folder holds it in the file api-key';
    const shown =
      apiKey === undefined
        ? `the server at ${this.url} wants an API key: give one with --api-key or MADAKV_API_KEY (${own})`
        : `the server at ${this.url} does not take the API key of --api-key or MADAKV_API_KEY: ${message}`;
    return new ApiError(shown, status, code, undefined, said);
  }

  private mayPass(error: unknown, repeatable: boolean): boolean {
    // The server knows it: what is used up for today is not there again in a minute.
    if (error instanceof ApiError && error.isLasting) return false;
    // Not accepted, so that anything may be repeated.
    if (error instanceof ApiError && error.status === 429) return true;
    if (!repeatable) return false;
    return error instanceof ApiError ? PASSING.has(error.status) : error instanceof UnreachableError;
  }

  private pauseMs(error: unknown, attempt: number): number {
    const asked = error instanceof ApiError ? error.retryAfterS : undefined;
    const own = (this.options.pauseMs ?? PAUSE_MS) * 2 ** attempt;
    return Math.min(MAX_PAUSE_MS, asked === undefined ? own : 1000 * asked);
  }
}

function webhookPath(id: string): string {
  return `/v1/webhooks/${encodeURIComponent(id)}`;
}

function usagePath(asked: UsageAsked): string {
  return `/v1/usage?${new URLSearchParams({ ...asked }).toString()}`;
}
