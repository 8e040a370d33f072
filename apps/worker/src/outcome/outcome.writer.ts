import {
  errorBody,
  storeKeys,
  type AnsweredTrace,
  type ChatCompletion,
  type EndedRequest,
  type FailedTrace,
  type MadakvError,
  type Outcome,
  type RequestAnswer,
  type RequestJob,
  type TraceDocument,
} from '@madakv/contracts';
import type {
  ActivityRepository,
  AnswerEventWriter,
  OutcomeRepository,
  RequestRef,
  RequestSettlement,
} from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { createHash } from 'node:crypto';
import type { SpentTokens } from '../roles/request.attempt.js';

/** A request, and what counts it among its tenant's. */
export interface AnsweredRequest
  extends RequestRef, Pick<RequestJob, 'tenant' | 'model' | 'acceptedAtMs' | 'reservedTokens'> {
  /** The name its caller gave it: `custom_id` of a batch's line, null for a chat completion. */
  readonly customId: string | null;
}

/**
 * Ends requests: writes trace and answer, then commits the outcome, then tells a chat's readers that it is there. The
 * first who commits wins. Dying in between loses nothing, as the next attempt does it again.
 */
export class OutcomeWriter {
  constructor(
    private readonly store: Pick<FileStore, 'put' | 'delete'>,
    private readonly outcomes: Pick<OutcomeRepository, 'commit' | 'find' | 'has'>,
    private readonly events: Pick<AnswerEventWriter, 'append'>,
    private readonly activity: Pick<ActivityRepository, 'ended'>,
  ) {}

  /**
   * Whether the request has ended before: then there is nothing left to do. Ask it at the start of every attempt, as it
   * also repeats the announcement that a process which died may owe.
   */
  async isSettled(request: RequestRef): Promise<boolean> {
    if (!(await this.outcomes.has(request))) return false;
    await this.announce(request);
    return true;
  }

  /** @param traces of its questions, under their ids. @returns whether this answer is the one that stands */
  complete(request: AnsweredRequest, completion: ChatCompletion, ...traces: AnsweredTrace[]): Promise<boolean> {
    const ended = { state: 'completed', usage: completion.usage } as const;
    return this.settle(request, { status: 200, body: completion }, ended, traces);
  }

  /**
   * For an error that trying again cannot mend, or that was tried often enough.
   * @param spent what was computed for it: it counts where a chat's caller hung up, who may have had all of the answer but its end
   * @returns whether it is the one that stands
   */
  fail(request: AnsweredRequest, error: MadakvError, trace: FailedTrace, spent?: SpentTokens): Promise<boolean> {
    const answer = { status: error.httpStatus, body: errorBody(error) };
    const counted = request.source.kind === 'body' && error.code === 'cancelled' ? spent : undefined;
    return this.settle(request, answer, { state: 'failed' }, [trace], counted);
  }

  private async settle(
    request: AnsweredRequest,
    { status, body }: Pick<RequestAnswer, 'status' | 'body'>,
    ended: Omit<Outcome, 'key'>,
    traces: readonly TraceDocument[],
    spent?: SpentTokens,
  ): Promise<boolean> {
    // A trace has one name: an attempt that comes too late must not replace the one of the answer that stands.
    if (await this.isSettled(request)) return false;
    const { requestId, customId } = request;
    for (const trace of traces) await this.store.put(storeKeys.trace(trace.id), Buffer.from(JSON.stringify(trace)));
    const answer: RequestAnswer = { requestId, customId, status, body };
    const content = Buffer.from(JSON.stringify(answer));
    // Named by its content: an attempt that comes too late cannot replace the answer that was committed.
    const key = storeKeys.answer(requestId, createHash('sha256').update(content).digest('hex'));
    await this.store.put(key, content);
    const counted = endedRequest(request, traces);
    const committed = await this.outcomes.commit(
      request,
      { ...ended, key },
      settlement(request, ended, counted, spent),
    );
    if (!committed && (await this.outcomes.find(request))?.key !== key) await this.store.delete(key);
    await this.announce(request);
    // A count: nothing fails for want of it.
    if (committed) await this.activity.ended(counted).catch(() => undefined);
    return committed;
  }

  /** Nobody follows a batch's lines one by one. */
  private async announce({ requestId, source }: RequestRef): Promise<void> {
    if (source.kind === 'body') await this.events.append(requestId, { kind: 'end' });
  }
}

/** What its tokens count for, and which are given back: of a line its share of its batch's. */
function settlement(
  { requestId, source, tenant, model, acceptedAtMs, reservedTokens }: AnsweredRequest,
  { state, usage }: Omit<Outcome, 'key'>,
  { fullBytes, keptBytes }: EndedRequest,
  spent?: SpentTokens,
): RequestSettlement {
  const isLine = source.kind === 'line';
  return {
    tenant,
    model,
    acceptedAtMs,
    reservation: isLine ? source.batchId : requestId,
    reservedTokens: isLine ? (reservedTokens ?? 0) : undefined,
    counts: {
      requests: 1,
      errors: state === 'failed' ? 1 : 0,
      promptTokens: usage?.prompt_tokens ?? spent?.promptTokens ?? 0,
      cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      completionTokens: usage?.completion_tokens ?? spent?.completionTokens ?? 0,
      fullBytes: fullBytes ?? 0,
      keptBytes: keptBytes ?? 0,
    },
  };
}

/** @param traces of its questions, the first in front */
function endedRequest({ requestId: id, customId }: AnsweredRequest, traces: readonly TraceDocument[]): EndedRequest {
  const [trace] = traces;
  const { tenant, model, batchId, ms } = trace;
  const common = { id, tenant, model, batchId, customId, endedAtMs: Date.now(), totalMs: ms.total ?? 0 };
  if (trace.error !== null) {
    const none = { firstTokenMs: null, grantedRatio: null, fullBytes: null, keptBytes: null };
    return { ...common, ...none, errorCode: trace.error.code };
  }
  const caches = traces.flatMap((each) => (each.error === null ? [each.cache] : []));
  const sum = (of: (cache: (typeof caches)[number]) => number): number =>
    caches.reduce((total, cache) => total + of(cache), 0);
  return {
    ...common,
    errorCode: null,
    firstTokenMs: Math.max(0, trace.ms.total - trace.ms.decode),
    grantedRatio: sum(({ ratio }) => ratio) / caches.length,
    fullBytes: sum(({ bytes }) => bytes.full),
    keptBytes: sum(({ bytes }) => bytes.afterEviction),
  };
}
