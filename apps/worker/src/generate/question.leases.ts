import type { LeaseEvent } from '@madakv/contracts';
import type { KvGeometry } from '@madakv/engine';
import { sharedNeed } from '@madakv/requests';
import { withSpan, type SpanAttributes } from '@madakv/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseAnswer, LeaseDesk } from '../lease/lease.desk.js';
import { SharedLease } from '../lease/shared.lease.js';
import { HandBack } from '../roles/hand.back.js';
import type { TakenJob } from '../roles/request.attempt.js';
import { rankOf, type Question } from './question.js';

/**
 * How long a job that finds no room keeps its slot, in milliseconds. Queued jobs ask one after the other; this bounds how often,
 * and leaves the slot to a chat completion soon enough.
 */
const NO_ROOM_PAUSE_MS = 50;
/** What a group may have of its device, so that others find room beside it. */
const GROUP_SHARE = 0.5;

/** Memory for questions that are read together: one lease for all of them. */
export class QuestionLeases {
  constructor(
    private readonly desk: Pick<LeaseDesk, 'acquire' | 'capacityBytes'>,
    private readonly kv: () => KvGeometry,
  ) {}

  /** Those of the questions, from the first on, that a group may hold at a time: at least one. */
  fitting(questions: readonly Question[]): readonly Question[] {
    let count = questions.length;
    while (count > 1 && this.needOf(questions.slice(0, count)).peakBytes > GROUP_SHARE * this.desk.capacityBytes)
      count--;
    return questions.slice(0, count);
  }

  /** Under the name of the first of them. @throws HandBack where there is no room now */
  async acquire(questions: readonly Question[], job: TakenJob): Promise<SharedLease> {
    const [{ attempt }] = questions;
    const { request, signal } = attempt;
    const asked = job.roomSinceMs ?? Date.now();
    const { requestId, model, tenant } = request;
    for (const question of questions) question.attempt.learnt.askedAtMs = asked;
    const need = this.needOf(questions);
    const answer = await withSpan(
      'lease',
      { startMs: asked, attributes: { requestId, model, tenant, leaseOperation: 'acquire' } },
      async (span) => {
        const { peakBytes, targetBytes, minBytes, fullBytes } = need;
        const given = await this.desk.acquire({
          jobId: requestId,
          holder: job.holder,
          tenant,
          need: { peakBytes, targetBytes, minBytes, fullBytes },
          rank: rankOf(request),
        });
        span.set(leaseAttributes(given));
        return given;
      },
    );
    if (answer.kind === 'granted') {
      const waited: LeaseEvent[] = [];
      if (job.roomSinceMs !== undefined) waited.push({ atMs: job.roomSinceMs, event: 'waited', bytes: 0 });
      const granted = Date.now();
      const lease = new SharedLease(answer.lease, need, waited, { asked, granted });
      questions.forEach((question, i) => {
        question.attempt.learnt.grantedAtMs = granted;
        question.attempt.learnt.lease = lease.shares[i].history;
      });
      return lease;
    }
    if (job.roomSinceMs === undefined) await job.noteRoom(asked);
    const pauseMs = Math.min(answer.delayMs, NO_ROOM_PAUSE_MS);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    throw new HandBack(answer.delayMs - pauseMs, answer.reason);
  }

  private needOf(questions: readonly Question[]) {
    return sharedNeed(
      questions.map(({ demand }) => demand),
      this.kv(),
    );
  }
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
