import type { LeaseEvent, RequestJob } from '@madakv/contracts';
import type { KvGeometry } from '@madakv/engine';
import { sharedNeed, type SharedNeed } from '@madakv/requests';
import { recordedSpan, withSpan, withTraceparent, type SpanAttributes } from '@madakv/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseAnswer, LeaseDesk } from '../lease/lease.desk.js';
import { SharedLease } from '../lease/shared.lease.js';
import { HandBack } from '../roles/hand.back.js';
import type { TakenJob } from '../roles/request.attempt.js';
import { rankOf, type AskedRequest } from './question.js';

/**
 * How long a job that finds no room keeps its slot, in milliseconds. Queued jobs ask one after the other; this bounds how often,
 * and leaves the slot to a chat completion soon enough.
 */
const NO_ROOM_PAUSE_MS = 50;
/** What a group may have of its device, so that others find room beside it. */
const GROUP_SHARE = 0.5;

/** Memory for requests that are read together: one lease for all their questions. */
export class QuestionLeases {
  constructor(
    private readonly desk: Pick<LeaseDesk, 'acquire' | 'capacityBytes'>,
    private readonly kv: () => KvGeometry,
  ) {}

  /** How many of the requests, from the first on, a group may hold at a time: at least one. */
  fitting(requests: readonly AskedRequest[]): number {
    const most = GROUP_SHARE * this.desk.capacityBytes;
    let count = requests.length;
    while (count > 1 && this.needOf(requests.slice(0, count)).peakBytes > most) count--;
    return count;
  }

  /** The request in parts, of as many of its questions as a group may hold at a time: itself, where that is all of them. */
  rounds(asked: AskedRequest): AskedRequest[] {
    const parts = asked.questions.map((question) => ({ ...asked, questions: [question] }));
    const rounds: AskedRequest[] = [];
    while (parts.length > 0) {
      const round = parts.splice(0, this.fitting(parts));
      rounds.push({ ...asked, questions: round.flatMap(({ questions }) => questions) });
    }
    return rounds;
  }

  /**
   * Under the name of the first of them; a share for each of their questions.
   * @param round of a request that is asked in several, from 0: each has a lease of its own, whatever became of the one before
   * @throws HandBack where there is no room now
   */
  async acquire(requests: readonly AskedRequest[], job: TakenJob, round = 0): Promise<SharedLease> {
    const [{ attempt }, ...others] = requests;
    const { request, signal } = attempt;
    const { roomSinceMs, holderSinceMs } = job.waits;
    const asked = roomSinceMs ?? Date.now();
    for (const each of requests) each.attempt.learnt.askedAtMs = asked;
    const need = this.needOf(requests);
    const holder = round === 0 ? job.holder : `${job.holder}.r${round}`;
    const answer = await withTraceparent(request.traceparent, () => this.ask(request, holder, need, asked));
    if (answer.kind === 'granted') {
      const waited: LeaseEvent[] = [];
      if (roomSinceMs !== undefined) waited.push({ atMs: roomSinceMs, event: 'waited', bytes: 0 });
      const granted = Date.now();
      const lease = new SharedLease(answer.lease, need, waited, { asked, granted });
      // The wait is over: whatever happens next, another attempt waits anew. Nothing fails for want of a note.
      if (roomSinceMs !== undefined || holderSinceMs !== undefined) {
        await job.note({ roomSinceMs: undefined, holderSinceMs: undefined }).catch(() => undefined);
      }
      let first = 0;
      for (const { attempt: each, questions } of requests) {
        each.learnt.grantedAtMs = granted;
        each.learnt.lease = lease.shares[first].history;
        first += questions.length;
      }
      for (const { attempt: each } of others) {
        const attributes = { ...attributesOf(each.request), ...leaseAttributes(answer) };
        recordedSpan('lease', { parent: each.request.traceparent, startMs: asked, endMs: granted, attributes });
      }
      return lease;
    }
    if (roomSinceMs === undefined) await job.note({ roomSinceMs: asked });
    const pauseMs = Math.min(answer.delayMs, NO_ROOM_PAUSE_MS);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    throw new HandBack(answer.delayMs - pauseMs, answer.reason);
  }

  private ask(request: RequestJob, holder: string, need: SharedNeed, startMs: number): Promise<LeaseAnswer> {
    return withSpan('lease', { startMs, attributes: attributesOf(request) }, async (span) => {
      const { peakBytes, targetBytes, minBytes, fullBytes } = need;
      const { requestId, tenant } = request;
      const answer = await this.desk.acquire({
        jobId: requestId,
        holder,
        tenant,
        need: { peakBytes, targetBytes, minBytes, fullBytes },
        rank: rankOf(request),
      });
      span.set(leaseAttributes(answer));
      return answer;
    });
  }

  private needOf(requests: readonly AskedRequest[]): SharedNeed {
    const demands = requests.flatMap(({ questions }) => questions.map(({ demand }) => demand));
    return sharedNeed(demands, this.kv());
  }
}

function attributesOf({ requestId, model, tenant }: RequestJob): SpanAttributes {
  return { requestId, model, tenant, leaseOperation: 'acquire' };
}

function leaseAttributes(answer: LeaseAnswer): SpanAttributes {
  if (answer.kind === 'wait') return { leaseOutcome: 'full', leaseReason: answer.reason };
  const { ref, bytes, grantedBytes } = answer.lease;
  return {
    leaseOutcome: 'granted',
    deviceId: ref.deviceId,
    leaseId: ref.leaseId,
    leaseFencingToken: ref.fencingToken,
    leaseBytes: bytes,
    leaseGrantedBytes: grantedBytes,
  };
}
