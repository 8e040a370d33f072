import type { WebhookAttempt, WebhookDeliveryRecord, WebhookJob, WebhookRecord } from '@madakv/contracts';
import { DocumentError, sendMessage, type DocumentErrorCode, type FetchPolicy } from '@madakv/documents';
import type { Records } from '@madakv/records';
import { DelayedError, type Job } from 'bullmq';
import { signatureHeaders } from './webhook.signature.js';
import type { WebhookOptions } from './webhook.settings.js';

const [SECOND_MS, MINUTE_MS, HOUR_MS] = [1_000, 60_000, 3_600_000];
/** Pauses between attempts, as Standard Webhooks recommends them: ten attempts in three days and some hours. In milliseconds. */
const PAUSES_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];
/** Share by which a pause is longer at most, so that what failed together does not come back together. */
const JITTER = 0.1;
/** Attempts that a delivery's record shows. */
const SHOWN_ATTEMPTS = 20;
/** URLs that will not be called however often it is tried. A name that is not found may be one whose server is away. */
const REFUSED: ReadonlySet<DocumentErrorCode> = new Set([
  'bad_url',
  'url_scheme_not_allowed',
  'url_port_not_allowed',
  'url_address_not_allowed',
]);
/** The receiver wants no more, ever. */
const GONE = 410;

export interface DelivererOptions extends WebhookOptions {
  readonly records: Pick<Records, 'webhooks' | 'deliveries'>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** The part of a BullMQ job that an attempt uses. */
export type DeliveryJob = Pick<Job<WebhookJob>, 'data' | 'moveToDelayed'>;

type Verdict = 'delivered' | 'failed' | 'refused';

/**
 * Calls webhooks. An event arrives at least once: what stands in the delivery's record decides what is left to do, and an attempt whose
 * process dies is made again. Pauses outlive processes, as the job waits in Redis.
 */
export class WebhookDeliverer {
  private readonly records: DelivererOptions['records'];
  private readonly policy: FetchPolicy;
  private readonly disableAfterMs: number;
  private readonly now: () => number;
  private readonly random: () => number;

  constructor({ records, policy, disableAfterMs, now = Date.now, random = Math.random }: DelivererOptions) {
    this.records = records;
    this.policy = policy;
    this.disableAfterMs = disableAfterMs;
    this.now = now;
    this.random = random;
  }

  /**
   * Makes one attempt.
   * @param token of the job's lock
   * @throws DelayedError where there is to be another one: BullMQ runs the job again when it is time
   */
  async process(job: DeliveryJob, token: string | undefined, signal?: AbortSignal): Promise<void> {
    const delivery = await this.attempt(job.data, signal);
    const next = delivery?.object.next_attempt_at ?? null;
    if (delivery?.round !== job.data.round || next === null) return;
    await job.moveToDelayed(next * 1_000, token);
    throw new DelayedError();
  }

  /** @returns the delivery as it stands afterwards; undefined where it is known no more */
  private async attempt(
    { deliveryId, round }: WebhookJob,
    signal?: AbortSignal,
  ): Promise<WebhookDeliveryRecord | undefined> {
    const { deliveries, webhooks } = this.records;
    const delivery = await deliveries.get(deliveryId);
    if (delivery?.round !== round || delivery.object.status !== 'pending') return delivery;
    // A process died after it had noted its attempt.
    if ((delivery.object.next_attempt_at ?? 0) * 1_000 > this.now()) return delivery;
    const webhook = await webhooks.find(delivery.tenant, delivery.object.webhook_id);
    if (webhook === undefined) return this.giveUp(delivery, 'the webhook was deleted');
    if (webhook.disabled !== null) return this.giveUp(delivery, 'the webhook is disabled');
    const { made, verdict } = await this.send(delivery, webhook, signal);
    const isEnabled = await this.noteResult(webhook, made, verdict, delivery.tried === 0);
    return this.noteAttempt(delivery, made, isEnabled ? verdict : 'refused');
  }

  private async send(
    { object: { event } }: WebhookDeliveryRecord,
    { url, secrets }: WebhookRecord,
    signal?: AbortSignal,
  ): Promise<{ readonly made: WebhookAttempt; readonly verdict: Verdict }> {
    const startedMs = this.now();
    const at = Math.floor(startedMs / 1_000);
    const valid = secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > at);
    const body = JSON.stringify(event);
    const signature = signatureHeaders(
      { id: event.id, timestamp: at, body },
      valid.map(({ secret }) => secret),
    );
    const headers = { 'content-type': 'application/json', 'user-agent': 'madakv', ...signature };
    const made = (status_code: number | null, error: string | null): WebhookAttempt => ({
      at,
      status_code,
      error,
      ms: Math.max(0, Math.round(this.now() - startedMs)),
    });
    try {
      const status = await sendMessage(url, { headers, body }, this.policy, signal);
      if (status >= 200 && status < 300) return { made: made(status, null), verdict: 'delivered' };
      const error = `answered with status ${status}; expected 200 to 299`;
      return { made: made(status, error), verdict: status === GONE ? 'refused' : 'failed' };
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      return { made: made(null, error.message), verdict: REFUSED.has(error.code) ? 'refused' : 'failed' };
    }
  }

  /**
   * @param isFirst after a quiet time one failure may be a passing one: the next attempt tells
   * @returns whether the webhook is still called
   */
  private async noteResult(
    { tenant, id }: WebhookRecord,
    { at, error, status_code }: WebhookAttempt,
    verdict: Verdict,
    isFirst: boolean,
  ): Promise<boolean> {
    const { webhooks } = this.records;
    if ((await webhooks.find(tenant, id)) === undefined) return false;
    const { disabled } = await webhooks.update(tenant, id, (found) => {
      if (verdict === 'delivered') return found.failingSince === null ? undefined : { ...found, failingSince: null };
      const failingSince = found.failingSince ?? at;
      const isLong = (at - failingSince) * 1_000 >= this.disableAfterMs;
      const isOver = status_code === GONE || (isLong && (!isFirst || verdict === 'refused'));
      if (found.disabled !== null || !isOver) {
        return found.failingSince === failingSince ? undefined : { ...found, failingSince };
      }
      const since = new Date(failingSince * 1_000).toISOString();
      const reason = status_code === GONE ? `${error}` : `nothing was delivered since ${since}; the last: ${error}`;
      return { ...found, failingSince, disabled: { at, reason } };
    });
    return disabled === null;
  }

  private noteAttempt(
    { object: { id }, round }: WebhookDeliveryRecord,
    made: WebhookAttempt,
    verdict: Verdict,
  ): Promise<WebhookDeliveryRecord | undefined> {
    return this.records.deliveries.update(id, (found) => {
      const { object } = found;
      const attempts = [...object.attempts, made].slice(-SHOWN_ATTEMPTS);
      const counted = { ...object, attempts, attempt_count: object.attempt_count + 1 };
      // Somebody repeats it meanwhile, which is a matter of its own.
      if (found.round !== round || object.status !== 'pending') return { ...found, object: counted };
      const tried = found.tried + 1;
      const pauseMs = verdict === 'failed' ? PAUSES_MS.at(tried - 1) : undefined;
      const status = verdict === 'delivered' ? 'delivered' : pauseMs === undefined ? 'failed' : 'pending';
      const next_attempt_at =
        pauseMs === undefined ? null : Math.ceil((this.now() + pauseMs * (1 + JITTER * this.random())) / 1_000);
      return { ...found, tried, object: { ...counted, status, next_attempt_at } };
    });
  }

  /** Ends a delivery for which no attempt is made. */
  private giveUp(
    { object: { id }, round }: WebhookDeliveryRecord,
    error: string,
  ): Promise<WebhookDeliveryRecord | undefined> {
    const made = { at: Math.floor(this.now() / 1_000), status_code: null, error, ms: 0 };
    return this.records.deliveries.update(id, (found) => {
      if (found.round !== round || found.object.status !== 'pending') return undefined;
      const attempts = [...found.object.attempts, made].slice(-SHOWN_ATTEMPTS);
      return { ...found, object: { ...found.object, attempts, status: 'failed', next_attempt_at: null } };
    });
  }
}
