import { storeKeys, type PreparedRequest, type RequestJob, type RequestJobResult } from '@madakv/contracts';
import type { FileStore } from '@madakv/storage';
import { queueWaited, recordedSpan, withSpan } from '@madakv/telemetry';
import type { BudgetCalls } from '../lease/budget.watch.js';
import type { RequestPreparer } from '../prepare/index.js';
import type { RequestBodyReader } from './request.body.reader.js';
import type { BullRequestJob, RequestAttempt, RequestJobRunner } from './request.job.runner.js';

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
  process(job: BullRequestJob, token: string | undefined): Promise<RequestJobResult> {
    return this.parts.runner.run(job, token, 'prepare', (attempt) => this.prepare(attempt));
  }

  private async prepare(attempt: RequestAttempt): Promise<RequestJobResult> {
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
    await withSpan('prepare', { of: model, attributes }, async (span) => {
      const body = given.body();
      const prepared = await preparer.prepare({ requestId, tenant, customId: given.customId, body, queueMs, signal });
      span.set({ images: prepared.images.length, fullBytes: prepared.fullBytes });
      await store.put(storeKeys.prepared(requestId), Buffer.from(JSON.stringify(prepared)));
      await this.publish(request, prepared);
    });
    return { state: 'prepared' };
  }

  /** What the autoscaler counts. A service that is away must not keep requests from being prepared. */
  private async publish({ requestId }: RequestJob, { fullBytes, cacheRatio }: PreparedRequest): Promise<void> {
    const bytes = Math.ceil(fullBytes * cacheRatio);
    await this.parts.budget.call('publishDemand', { jobId: requestId, bytes }).catch((error: unknown) => {
      this.parts.log.warn(`${requestId}: its demand is not published: ${(error as Error).message}`);
    });
  }
}
