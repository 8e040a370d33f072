import type { EndedRequest, History, Overview, RecentRequest, WorkerRecord } from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { Records, type DeviceMinute, type MinuteOfActivity } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import type { Caller } from '../auth/api.keys.js';
import { ActiveBatches } from '../limits/active.batches.js';

const MINUTE_MS = 60_000;
/** What "now" is taken over, in minutes, beside the one that runs. */
const LAST_MINUTES = 5;
/** Points of a history at most: it is drawn, not read. */
const MAX_POINTS = 240;
/** Batches of all tenants whose lines are counted, at random where there are more. */
const OPEN_BATCHES = 1_000;
/** An overview is the same for this long, however many look, in milliseconds. */
const FRESH_MS = 1_000;

/** Gathers what runs, waits and ended: for a tenant its own, for an operator of all. */
@Injectable()
export class OverviewService {
  private readonly made = new Map<string, { readonly atMs: number; readonly overview: Promise<Overview> }>();

  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(JobQueues) private readonly queues: JobQueues,
    @Inject(ActiveBatches) private readonly active: ActiveBatches,
  ) {}

  overview(caller: Caller): Promise<Overview> {
    const key = `${caller.operator ? 'system' : 'tenant'} ${caller.tenant}`;
    const found = this.made.get(key);
    const now = Date.now();
    if (found !== undefined && now - found.atMs < FRESH_MS) return found.overview;
    for (const [other, { atMs }] of this.made) if (now - atMs >= FRESH_MS) this.made.delete(other);
    const overview = this.gather(caller, now);
    this.made.set(key, { atMs: now, overview });
    return overview;
  }

  /** @param minutes how far back, 1 to 1440 */
  async history({ tenant, operator }: Caller, minutes: number): Promise<History> {
    const now = Date.now();
    const stepMs = Math.ceil(minutes / MAX_POINTS) * MINUTE_MS;
    const fromMs = Math.floor((now - minutes * MINUTE_MS) / stepMs + 1) * stepMs;
    const [activity, devices] = await Promise.all([
      this.records.activity.minutes(operator ? undefined : tenant, fromMs, now),
      operator ? this.records.workers.deviceMinutes(fromMs, now) : [],
    ]);
    const points: History['points'] = [];
    for (let atMs = fromMs; atMs <= now; atMs += stepMs) {
      const within = ({ startMs }: { readonly startMs: number }): boolean => startMs >= atMs && startMs < atMs + stepMs;
      points.push({ at_ms: atMs, ...endedOf(activity.filter(within)), ...heldOf(devices.filter(within)) });
    }
    return { object: 'history', step_ms: stepMs, points };
  }

  async recent({ tenant }: Caller, limit: number): Promise<RecentRequest[]> {
    return (await this.records.activity.recent(tenant, limit)).map(recentRequest);
  }

  private async gather({ tenant, operator }: Caller, now: number): Promise<Overview> {
    const hour = await this.records.activity.minutes(operator ? undefined : tenant, now - 60 * MINUTE_MS, now);
    // The minute that has just begun would look like a pause.
    const since = Math.floor(now / MINUTE_MS) * MINUTE_MS - LAST_MINUTES * MINUTE_MS;
    const last = hour.filter(({ startMs }) => startMs >= since);
    const workers = operator ? await this.records.workers.list() : [];
    return {
      object: 'overview',
      at_ms: now,
      tenant,
      scope: operator ? 'system' : 'tenant',
      last_minutes: { minutes: Math.round(((now - since) / MINUTE_MS) * 100) / 100, ...endedOf(last) },
      batches: operator ? await this.allBatches() : await this.batchesOf(tenant),
      errors: errorsOf(hour),
      queues: operator ? await this.queueCounts() : [],
      devices: workers.flatMap(deviceOf),
      workers: workers.map(workerOf),
    };
  }

  private async batchesOf(tenant: string): Promise<Overview['batches']> {
    const { open, lines, ended } = await this.active.counts(tenant);
    return { open, lines, lines_ended: ended };
  }

  private async allBatches(): Promise<Overview['batches']> {
    const [open, ids] = await Promise.all([this.records.batches.openCount(), this.records.batches.open(OPEN_BATCHES)]);
    const records = await Promise.all(ids.map((id) => this.records.batches.get(id)));
    const counts = records.flatMap((record) => (record === undefined ? [] : [record.object.request_counts]));
    const sum = (of: (count: (typeof counts)[number]) => number): number =>
      counts.reduce((total, each) => total + of(each), 0);
    const lines = sum(({ total }) => total);
    return { open, lines, lines_ended: sum(({ completed, failed }) => completed + failed) };
  }

  private async queueCounts(): Promise<Overview['queues']> {
    const models = await this.records.models.list();
    return Promise.all(
      models.map(async ({ id }) => {
        const [prepare, generate] = await Promise.all([
          this.queues.counts(this.queues.prepare(id)),
          this.queues.counts(this.queues.generate(id)),
        ]);
        return {
          model: id,
          waiting_prepare: prepare.waiting,
          active_prepare: prepare.active,
          waiting_generate: generate.waiting,
          active_generate: generate.active,
          delayed: prepare.delayed + generate.delayed,
        };
      }),
    );
  }
}

type Ended = Omit<Overview['last_minutes'], 'minutes'>;

function endedOf(minutes: readonly MinuteOfActivity[]): Ended {
  const sum = (key: Exclude<keyof MinuteOfActivity, 'startMs' | 'errorCodes'>): number =>
    minutes.reduce((total, minute) => total + minute[key], 0);
  const answers = sum('answers');
  return {
    answers,
    errors: sum('errors'),
    first_token_ms: answers === 0 ? null : sum('firstTokenMs') / answers,
    granted_ratio: answers === 0 ? null : Math.min(1, sum('grantedRatio') / answers),
    kept_bytes: sum('keptBytes'),
    full_bytes: sum('fullBytes'),
  };
}

/** What devices held when they held most of it. */
function heldOf(samples: readonly DeviceMinute[]) {
  if (samples.length === 0) return { capacity_bytes: null, leased_bytes: null, allocated_bytes: null };
  return {
    capacity_bytes: Math.max(...samples.map(({ capacityBytes }) => capacityBytes)),
    leased_bytes: Math.max(...samples.map(({ leasedBytes }) => leasedBytes)),
    allocated_bytes: Math.max(...samples.map(({ allocatedBytes }) => allocatedBytes)),
  };
}

function errorsOf(minutes: readonly MinuteOfActivity[]): Overview['errors'] {
  const counts = new Map<string, number>();
  for (const { errorCodes } of minutes) {
    for (const [code, count] of Object.entries(errorCodes)) counts.set(code, (counts.get(code) ?? 0) + count);
  }
  return [...counts].map(([code, count]) => ({ code, count })).sort((a, b) => b.count - a.count);
}

function deviceOf({ id: worker, model, device }: WorkerRecord): Overview['devices'] {
  if (device === null) return [];
  const { id, capacityBytes, leasedBytes, allocatedBytes, leases, waiting } = device;
  return [
    {
      id,
      worker,
      model: model ?? '',
      capacity_bytes: capacityBytes,
      leased_bytes: leasedBytes,
      kept_bytes: allocatedBytes,
      free_bytes: Math.max(0, capacityBytes - leasedBytes),
      leases,
      waiting,
    },
  ];
}

function workerOf(worker: WorkerRecord): Overview['workers'][number] {
  const { id, roles, model, state, progress, provider, precision, kvPrecision, memoryBytes, device, seenAtMs } = worker;
  return {
    id,
    roles,
    model,
    state,
    progress,
    provider,
    precision,
    kv_precision: kvPrecision,
    device: device?.id ?? null,
    memory_bytes: memoryBytes,
    seen_at_ms: seenAtMs,
  };
}

function recentRequest(request: EndedRequest): RecentRequest {
  const { id, model, batchId, customId, errorCode, totalMs, fullBytes, keptBytes, endedAtMs } = request;
  return {
    object: 'request',
    id,
    model,
    batch_id: batchId,
    custom_id: customId,
    status: errorCode === null ? 'completed' : 'failed',
    error_code: errorCode,
    total_ms: totalMs,
    kept_ratio: fullBytes === null || keptBytes === null ? null : keptBytes / Math.max(1, fullBytes),
    ended_at_ms: endedAtMs,
  };
}
