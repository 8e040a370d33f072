import type {
  AcquireReply,
  AcquireRequest,
  Lease,
  LeaseRef,
  RenewReply,
  ReleaseReply,
  ResizeReply,
} from '@madakv/contracts';
import { leaseIdOf, type LeasePolicy } from '../../apps/budget/src/lease.repository.js';
import { sum, type Entry, type Snapshot } from './budget.snapshot.js';

/** What one step found, was told and left behind. */
export interface Step {
  readonly before: Snapshot;
  readonly after: Snapshot;
  /** The device's clock during the step. */
  readonly nowMs: number;
  readonly policy: LeasePolicy;
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`);
}

const live = (snapshot: Snapshot, nowMs: number): Lease[] =>
  snapshot.leases.filter((lease) => lease.expiresAtMs > nowMs);
const heldBy = (leases: readonly Lease[], tenant?: string): number =>
  sum(leases.filter((lease) => tenant === undefined || lease.tenant === tenant).map((lease) => lease.bytes));

/** What holds after every script, whatever it was. `touched`: the one lease that the step may have changed. */
export function checkState({ before, after, nowMs }: Step, touched?: string): void {
  const held = heldBy(after.leases);
  must(after.held === held, `the counter says ${after.held}, the leases hold ${held}`);
  must(held <= Math.max(after.capacity, heldBy(before.leases)), 'more is held than capacity allows');
  for (const lease of after.leases) {
    must(lease.bytes >= 0 && lease.bytes <= lease.peakBytes, 'a lease holds more than its peak');
    must(lease.expiresAtMs > nowMs, 'an expired lease is still there');
    must(after.expiries.get(lease.leaseId) === lease.expiresAtMs, 'a lease has no entry among expiries');
    must((after.tenants.get(lease.tenant) ?? 0) === heldBy(after.leases, lease.tenant), 'a tenant counter is wrong');
  }
  must(after.expiries.size === after.leases.length, 'an expiry without a lease');
  must(sum(after.tenants.values()) === held, 'the tenants do not add up to what is held');
  const untouched = (leases: readonly Lease[]): string =>
    JSON.stringify(
      leases
        .filter((lease) => lease.leaseId !== touched)
        .map((l) => [l.leaseId, l.bytes, l.fencingToken, l.expiresAtMs])
        .sort(),
    );
  must(untouched(live(before, nowMs)) === untouched(after.leases), 'a lease changed that nobody touched');
}

/** Who gets room: docs/budget.md, told again from what is seen outside. `tokens`: the highest that the device gave out. */
export function checkAcquire(step: Step, request: AcquireRequest, reply: AcquireReply, lastToken: number): void {
  const { before, after, nowMs, policy } = step;
  const { peakBytes, targetBytes, minBytes } = request.need;
  const leaseId = leaseIdOf(request.jobId, request.holder);
  const leases = live(before, nowMs);
  const existing = leases.find((lease) => lease.leaseId === leaseId);
  const floor = peakBytes - targetBytes + minBytes;
  const { capacity } = before;
  const free = capacity - heldBy(leases);

  if (!before.known || before.expiresAtMs <= nowMs) {
    must(reply.outcome === 'refused' && reply.refused.reason === 'UNKNOWN_DEVICE', 'a dead device answered');
    return;
  }
  if (existing !== undefined) {
    must(reply.outcome === 'granted' && reply.granted.fencingToken === existing.fencingToken, 'a lease was lost');
    return;
  }
  must((reply.outcome === 'impossible') === floor > before.announced, 'impossible is what exceeds the announced bytes');
  if (reply.outcome === 'impossible') return;

  const waiting = before.waiting.filter((entry) => entry.askByMs > nowMs);
  const known = waiting.find((entry) => entry.leaseId === leaseId);
  const others = waiting.filter((entry) => entry.leaseId !== leaseId && entry.floorBytes <= capacity);
  const aged = others.filter(
    (entry) => entry.arrival < (known?.arrival ?? Infinity) && nowMs - entry.sinceMs >= policy.overtakeMs,
  );
  const share = (tenant: string): number =>
    Math.floor((policy.tenantShares[tenant] ?? policy.tenantShares['*'] ?? 1) * capacity);
  const within = (entry: Pick<Entry, 'tenant' | 'floorBytes'>, ahead = 0): boolean => {
    const base = heldBy(leases, entry.tenant) + ahead;
    return base === 0 || base + entry.floorBytes <= share(entry.tenant);
  };
  const mine = { tenant: request.tenant, floorBytes: floor };
  const contested = (tenant: string): boolean =>
    [...others, mine].some((entry) => entry.tenant !== tenant && within(entry));
  const stopped = (entry: Entry): boolean => contested(entry.tenant) && !within(entry);
  const own = aged.filter((entry) => entry.tenant === request.tenant);
  const ahead = sum(own.map((entry) => entry.floorBytes));
  const kept = sum(aged.filter((entry) => !stopped(entry)).map((entry) => entry.floorBytes));
  const overShare = own.some(stopped) || (contested(request.tenant) && !within(mine, ahead));

  if (reply.outcome === 'full') {
    const { reason } = reply.full;
    must(
      after.waiting.some((entry) => entry.leaseId === leaseId),
      'who was told to wait has no place',
    );
    must(overShare || floor > free - kept, 'room was left, and nobody was in the way');
    must((reason === 'TENANT_SHARE') === overShare, 'the reason is not the tenant share');
    must((reason === 'QUEUE') === (!overShare && floor <= free), 'the reason is not the queue');
    return;
  }
  if (reply.outcome !== 'granted') throw new Error(`broken: ${JSON.stringify(reply)} on a live device`);
  const { bytes, grantedBytes, fencingToken } = reply.granted;
  must(fencingToken > lastToken, 'a fencing token did not grow');
  must(grantedBytes >= minBytes && grantedBytes <= targetBytes, 'the grant is outside min and target');
  must(bytes === peakBytes - targetBytes + grantedBytes, 'the lease is not its transient part and its grant');
  must(bytes <= free, 'more was granted than was free');
  must(bytes <= free - kept, 'room that was kept for one that waited longer is gone');
  must(!overShare, 'a tenant went beyond its share while others wait');
  must(
    after.waiting.every((entry) => entry.leaseId !== leaseId),
    'who was granted a lease still waits',
  );
  const waitingFloor = sum(others.map((entry) => entry.floorBytes));
  if (grantedBytes > minBytes) {
    must(bytes <= free - waitingFloor, 'one got more than its least while not all could have theirs');
    must(
      !contested(request.tenant) || heldBy(leases, request.tenant) + ahead + bytes <= share(request.tenant),
      'extra over share',
    );
  }
  if (others.length === 0)
    must(grantedBytes === Math.min(targetBytes, minBytes + free - floor), 'the grant is too small');
}

export type TouchOp =
  | { readonly kind: 'renew'; readonly reply: RenewReply }
  | { readonly kind: 'resize'; readonly bytes: number; readonly reply: ResizeReply }
  | { readonly kind: 'release'; readonly reply: ReleaseReply };

/** Renew, resize and release: only the holder of the live lease's own token changes anything. */
export function checkTouch({ before, after, nowMs, policy }: Step, ref: LeaseRef, op: TouchOp): void {
  const leases = live(before, nowMs);
  const lease = leases.find(({ leaseId }) => leaseId === ref.leaseId);
  const left = after.leases.find(({ leaseId }) => leaseId === ref.leaseId);
  const { reply } = op;
  if (lease === undefined) {
    if (op.kind === 'release') must(op.reply.outcome === 'released', 'a repeated release is refused');
    else must(reply.outcome === 'refused' && reply.refused.reason === 'GONE', 'a lease that is gone was touched');
    must(left === undefined, 'a lease that was gone came back');
    return;
  }
  if (lease.fencingToken !== ref.fencingToken) {
    must(reply.outcome === 'refused' && reply.refused.reason === 'STALE_TOKEN', 'a stale token was taken');
    must(JSON.stringify(left) === JSON.stringify(lease), 'a stale token changed a lease');
    return;
  }
  if (op.kind === 'release') {
    must(op.reply.outcome === 'released' && op.reply.released.bytes === lease.bytes, 'a release was not accounted');
    must(left === undefined, 'a released lease is still there');
    return;
  }
  const growth = op.kind === 'resize' ? op.bytes - lease.bytes : 0;
  const fits = growth <= 0 || growth <= before.capacity - heldBy(leases);
  const overPeak = growth > 0 && lease.bytes + growth > lease.peakBytes;
  const expected = overPeak ? 'refused' : fits ? 'held' : 'full';
  must(reply.outcome === expected, `expected ${expected} of a ${op.kind} by ${growth}, got ${reply.outcome}`);
  must(left?.bytes === (expected === 'held' ? lease.bytes + growth : lease.bytes), 'the lease holds something else');
  must(overPeak || left?.expiresAtMs === nowMs + policy.leaseTtlMs, 'the lease was not kept alive');
}
