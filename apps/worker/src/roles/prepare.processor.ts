import { storeKeys, type PreparedRequest, type RequestJobResult } from '@madakv/contracts';
import type { FileStore } from '@madakv/storage';
import { queueWaited, recordedSpan, withSpan, withTraceparent } from '@madakv/telemetry';
import type { BudgetCalls } from '../lease/budget.watch.js';
import { KnownDocuments, type RequestPreparer } from '../prepare/index.js';
import { pastOf } from './past.attempts.js';
import type { RequestBodyReader } from './request.body.reader.js';
import type { BullModelJob, RequestAttempt, WorkEnd } from './request.attempt.js';
import type { RequestJobRunner } from './request.job.runner.js';

export interface PrepareParts {
  readonly runner: RequestJobRunner;
  readonly bodies: RequestBodyReader;
  readonly preparer: Pick<RequestPreparer, 'prepare'>;
  readonly store: Pick<FileStore, 'put'>;
  readonly budget: BudgetCalls;
  readonly log: { warn(message: string): void };
}

/** Makes a request ready for a device: everything that needs no cache memory is done, and refused, here. */
export class PrepareProcessor {
  constructor(private readonly parts: PrepareParts) {}

  /** A BullMQ processor. */
  process(job: BullModelJob, token: string | undefined): Promise<RequestJobResult> {
    return this.parts.runner.run(job, token, 'prepare', (attempts) => this.prepareAll(attempts));
  }

  /** One after the other: what the first has fetched and drawn is there for the others, and so is what came of it where it failed. */
  private async prepareAll(attempts: readonly RequestAttempt[]): Promise<readonly WorkEnd[]> {
    const ends: WorkEnd[] = [];
    const known = attempts.length > 1 ? new KnownDocuments() : undefined;
    let bytes = 0;
    for (const attempt of attempts) {
      try {
        const prepared = await withTraceparent(attempt.request.traceparent, () => this.prepare(attempt, known));
        bytes += demandOf(prepared);
        ends.push({ status: 'fulfilled', value: { state: 'prepared' } });
      } catch (reason) {
        ends.push({ status: 'rejected', reason });
      }
    }
    if (bytes > 0) await this.publish(attempts[ends.findIndex(({ status }) => status === 'fulfilled')], bytes);
    return ends;
  }

  private async prepare(attempt: RequestAttempt, known: KnownDocuments | undefined): Promise<PreparedRequest> {
    const { bodies, preparer, store } = this.parts;
    const { request, signal, takenAtMs } = attempt;
    const { requestId, tenant, model, source } = request;
    const given = await bodies.read(source);
    attempt.learnt.customId = given.customId;
    signal.throwIfAborted();
    const queueMs = Math.max(0, takenAtMs - request.acceptedAtMs);
    recordedSpan('queue', {
      of: 'prepare',
      startMs: request.acceptedAtMs,
      endMs: takenAtMs,
      attributes: { requestId, model, queueKind: 'prepare' },
    });
    queueWaited({ kind: 'prepare', model, seconds: queueMs / 1_000 });
    const attributes = { requestId, tenant, model, attempt: attempt.attempt };
    return withSpan('prepare', { of: model, attributes }, async (span) => {
      const body = given.body();
      const fromMs = Date.now();
      const read = await preparer.prepare({
        requestId,
        tenant,
        customId: given.customId,
        body,
        queueMs,
        signal,
        ...(known === undefined ? {} : { known }),
      });
      const past = pastOf(request.past, 'prepare', 'prepare');
      const at = { fromMs, untilMs: Date.now() };
      const prepared = { ...read, at, ...(past.length === 0 ? {} : { past }) };
      span.set({ images: prepared.images.length, fullBytes: prepared.fullBytes });
      await store.put(storeKeys.prepared(requestId), Buffer.from(JSON.stringify(prepared)));
      return prepared;
    });
  }

  /**
   * What the autoscaler counts, under the name that the lease will be asked for. A service that is away must not keep requests
   * from being prepared.
   */
  private async publish({ request: { requestId, model } }: RequestAttempt, bytes: number): Promise<void> {
    await this.parts.budget.call('publishDemand', { jobId: requestId, bytes, model }).catch((error: unknown) => {
      this.parts.log.warn(`${requestId}: its demand is not published: ${(error as Error).message}`);
    });
  }
}

/** What all its questions will keep, in bytes. */
function demandOf({ extraction, ...first }: PreparedRequest): number {
  return [first, ...(extraction?.others ?? [])].reduce(
    (sum, { fullBytes, cacheRatio }) => sum + Math.ceil(fullBytes * cacheRatio),
    0,
  );
}
