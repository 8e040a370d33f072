import { MadakvError, type RequestJob } from '@madakv/contracts';
import type { Cancellations, CancelReason } from '@madakv/records';

interface Running {
  readonly request: RequestJob;
  readonly controller: AbortController;
}

/** The requests that this process works on, and what ends them early: cancellation, expiry, the end of the process. */
export class RunningRequests {
  private readonly running = new Set<Running>();

  constructor(private readonly cancellations: Pick<Cancellations, 'find'>) {}

  get size(): number {
    return this.running.size;
  }

  /** Runs the work with a signal for each request that ends it early; a signal's reason is a MadakvError. */
  async trackAll<T>(
    requests: readonly RequestJob[],
    work: (signals: readonly AbortSignal[]) => Promise<T>,
  ): Promise<T> {
    const entries = requests.map((request): Running => ({ request, controller: new AbortController() }));
    for (const entry of entries) this.running.add(entry);
    try {
      await this.check(entries);
      return await work(entries.map(({ controller }) => controller.signal));
    } finally {
      for (const entry of entries) this.running.delete(entry);
    }
  }

  /** A request or batch was announced as cancelled. */
  async announced(id: string): Promise<void> {
    await this.check([...this.running].filter(({ request }) => idsOf(request).includes(id)));
  }

  /** Ends what was cancelled or has expired. Announcements may be lost, so this is called now and then. */
  async sweep(): Promise<void> {
    await this.check([...this.running]);
  }

  /** Ends everything. */
  abortAll(reason: MadakvError): void {
    for (const { controller } of this.running) controller.abort(reason);
  }

  private async check(entries: readonly Running[]): Promise<void> {
    const cancelled = await this.cancellations.find([...new Set(entries.flatMap(({ request }) => idsOf(request)))]);
    for (const { request, controller } of entries) {
      const reason = idsOf(request)
        .map((id) => cancelled.get(id))
        .find((found) => found !== undefined);
      if (reason !== undefined) controller.abort(cancelledBy(reason, request));
      else if (hasExpired(request)) controller.abort(cancelledBy('expired', request));
    }
  }
}

/** A request ends with itself or with its batch. */
function idsOf({ requestId, source }: RequestJob): string[] {
  return source.kind === 'line' ? [requestId, source.batchId] : [requestId];
}

/** Lines expire with their batch, which says so: it has to write them down as expired. */
function hasExpired({ source, expiresAtMs }: RequestJob): boolean {
  return source.kind === 'body' && expiresAtMs !== undefined && expiresAtMs <= Date.now();
}

function cancelledBy(why: CancelReason, { source }: RequestJob): MadakvError {
  const what = source.kind === 'line' ? 'batch' : 'request';
  const message = why === 'expired' ? `the ${what} expired before it was answered` : `the ${what} was cancelled`;
  return new MadakvError('cancelled', message, { reason: what === 'batch' ? `batch_${why}` : why });
}
