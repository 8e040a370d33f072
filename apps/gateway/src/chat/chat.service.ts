import {
  estimateTokens,
  fieldTokens,
  MadakvError,
  newId,
  parseChatRequest,
  RequestAnswerSchema,
  storeKeys,
  uploadIdsOf,
  type AnswerEvent,
  type ChatRequest,
  type ModelRecord,
  type RequestAnswer,
  type RequestJob,
  type UploadFacts,
} from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { Records, type AnswerEventReader } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { text } from 'node:stream/consumers';
import type { GatewaySettings } from '../gateway.settings.js';
import { EVENTS, SETTINGS, STORE } from '../gateway.tokens.js';
import { modelNotFound } from '../models/models.controller.js';

/** How long the files of a cancelled request are kept for the worker that may still run it, in milliseconds. */
const LINGER_MS = 120_000;
/** Uploads of a request that are looked at before it is accepted; any other counts one page. */
const MOST_UPLOADS = 256;
/** A chat completion that is about to run. */
export interface Chat {
  readonly job: RequestJob;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** What it is taken for, prompt and answer, before it is read. */
  readonly estimatedTokens: number;
}

/** Runs chat completions through the queues. The caller waits for them; one whose gateway died repeats them. */
@Injectable()
export class ChatService {
  private readonly logger = new Logger('Chat');

  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(JobQueues) private readonly queues: JobQueues,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(EVENTS) private readonly events: AnswerEventReader,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /** @throws MadakvError invalid_json, invalid_request, model_not_found */
  async open(tenant: string, body: string): Promise<Chat> {
    const request = parseChatRequest(body);
    const model = await this.records.models.find(request.model);
    if (model === undefined) throw modelNotFound(request.model);
    const requestId = newId('chat');
    const acceptedAtMs = Date.now();
    const estimatedTokens = await this.estimate(tenant, request, model);
    return {
      estimatedTokens,
      stream: request.stream === true,
      includeUsage: request.stream_options?.include_usage === true,
      job: {
        requestId,
        tenant,
        model: model.id,
        source: { kind: 'body', fileKey: storeKeys.body(requestId) },
        acceptedAtMs,
        reservedTokens: estimatedTokens,
        expiresAtMs: acceptedAtMs + this.settings.MADAKV_GATEWAY_REQUEST_TIMEOUT_MS,
      },
    };
  }

  /**
   * Runs it, and leaves none of its files behind but the trace. When the signal is aborted, or anything fails, it is
   * cancelled wherever it stands.
   * @param takeBody called once: nothing here holds the text while it waits, as it may be tens of megabytes
   * @param onEvent told of what the request says while it runs, in order
   * @throws MadakvError, the signal's reason
   */
  async run(
    { job }: Chat,
    takeBody: () => string,
    signal: AbortSignal,
    onEvent: (event: AnswerEvent) => Promise<void>,
  ): Promise<RequestAnswer> {
    const { requestId, source } = job;
    try {
      signal.throwIfAborted();
      await this.store.put(storeKeys.body(requestId), Buffer.from(takeBody()), { signal });
      await this.queues.addChat(job);
      await this.follow(requestId, signal, onEvent);
      const outcome = await this.records.outcomes.find({ requestId, source });
      if (outcome === undefined) throw new MadakvError('internal_error', `${requestId} ended without an outcome`);
      const answer = RequestAnswerSchema.parse(JSON.parse(await text(await this.store.get(outcome.key))));
      this.inBackground(requestId, this.forget(requestId));
      return answer;
    } catch (error) {
      await this.withdraw(job);
      throw error;
    }
  }

  /** @param request which was checked, with its schema */
  private async estimate(
    tenant: string,
    request: ChatRequest,
    { maxPositions, pageTokens }: Pick<ModelRecord, 'maxPositions' | 'pageTokens'>,
  ): Promise<number> {
    const body = { ...request };
    const ids = [...new Set(uploadIdsOf(body))].slice(0, MOST_UPLOADS);
    const files = await this.records.files.findMany(tenant, ids);
    const uploads = new Map<string, UploadFacts | undefined>(ids.map((id, i) => [id, files[i]?.object]));
    return estimateTokens(body, {
      maxPositions,
      pageTokens,
      uploadOf: (id) => Promise.resolve(uploads.get(id)),
      fieldsOf: (schema) => fieldTokens(schema, true),
    });
  }

  private async follow(
    requestId: string,
    signal: AbortSignal,
    onEvent: (event: AnswerEvent) => Promise<void>,
  ): Promise<void> {
    const events = this.events.read(requestId, signal);
    const aborted = rejectedBy(signal);
    try {
      for (;;) {
        // While Redis is away the next event does not come, and the signal must count nevertheless.
        const next = await Promise.race([events.next(), aborted.promise]);
        signal.throwIfAborted();
        if (next.done === true) throw new MadakvError('internal_error', `the events of ${requestId} broke off`);
        if (next.value.kind === 'end') return;
        // Nor may a caller who does not read keep what is over.
        await Promise.race([onEvent(next.value), aborted.promise]);
      }
    } finally {
      aborted.release();
      void events.return().catch(() => undefined);
    }
  }

  /** Takes the request out of the queues, or tells the worker that runs it. Its files go when nobody needs them. */
  private async withdraw({ requestId, model, source }: RequestJob): Promise<void> {
    try {
      await this.records.cancellations.cancel(requestId, 'cancelled');
      const removed = await this.queues.removeRequest(model, requestId);
      const ended = removed || (await this.records.outcomes.has({ requestId, source }));
      this.inBackground(requestId, ended ? this.forget(requestId) : this.forgetLater(requestId));
    } catch (error) {
      this.logger.warn({ message: 'a request was not cancelled', chatId: requestId, error: String(error) });
    }
  }

  private async forgetLater(requestId: string): Promise<void> {
    const events = this.events.read(requestId, AbortSignal.timeout(LINGER_MS));
    for await (const { kind } of events) if (kind === 'end') break;
    await this.forget(requestId);
  }

  private async forget(requestId: string): Promise<void> {
    for await (const { key } of this.store.list(`${storeKeys.request(requestId)}/`)) await this.store.delete(key);
  }

  private inBackground(requestId: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.logger.warn({ message: 'a request was not cleaned up', chatId: requestId, error: String(error) });
    });
  }
}

/** A promise that rejects when the signal is aborted; release it when nobody waits any more. */
function rejectedBy(signal: AbortSignal): { readonly promise: Promise<never>; readonly release: () => void } {
  let stop: () => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
  });
  promise.catch(() => undefined);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return {
    promise,
    release: () => {
      signal.removeEventListener('abort', stop);
    },
  };
}
