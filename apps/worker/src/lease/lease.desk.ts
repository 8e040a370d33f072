import { MadakvError, type Need } from '@madakv/contracts';
import type { BudgetCalls } from './budget.watch.js';
import type { DeviceHeartbeat } from './device.heartbeat.js';
import { HeldLease } from './held.lease.js';

export interface LeaseRequest {
  readonly jobId: string;
  /** Different for every attempt at a job, the same while that attempt waits. */
  readonly holder: string;
  readonly tenant: string;
  readonly need: Need;
  /** Among those who wait for room the lower come first. */
  readonly rank: number;
}

/** No room is no error: the job asks again after `delayMs`. */
export type LeaseAnswer =
  | { readonly kind: 'granted'; readonly lease: HeldLease }
  | { readonly kind: 'wait'; readonly delayMs: number; readonly reason: string };

/** Why a request waits that this device can never hold, and another one can. */
export const LARGER_DEVICE = 'LARGER_DEVICE';
/** When a request that only a larger device can hold is offered again, in milliseconds. */
const LARGER_DEVICE_MS = 1_000;
/** When a device that was not known although it was just announced is tried again, in milliseconds. */
const UNKNOWN_DEVICE_MS = 1_000;

/** Asks for leases on this worker's device. */
export class LeaseDesk {
  constructor(
    private readonly budget: BudgetCalls,
    private readonly heartbeat: Pick<DeviceHeartbeat, 'device' | 'capacityBytes' | 'announce'>,
  ) {}

  /** Key-value cache that may be leased of the device, in bytes. */
  get capacityBytes(): number {
    return this.heartbeat.capacityBytes;
  }

  /**
   * @throws MadakvError `exceeds_device_memory` where no device known could ever hold it; `budget_unavailable`
   */
  async acquire(request: LeaseRequest): Promise<LeaseAnswer> {
    const answer = await this.ask(request);
    if (answer !== undefined) return answer;
    await this.heartbeat.announce();
    return (await this.ask(request)) ?? { kind: 'wait', delayMs: UNKNOWN_DEVICE_MS, reason: 'UNKNOWN_DEVICE' };
  }

  /** @returns undefined where the service does not know the device */
  private async ask({ jobId, holder, tenant, need, rank }: LeaseRequest): Promise<LeaseAnswer | undefined> {
    const { deviceId } = this.heartbeat.device;
    const reply = await this.budget.call('acquire', { deviceId, jobId, holder, tenant, need, rank });
    switch (reply.outcome) {
      case 'granted': {
        const { leaseId, fencingToken, ...grant } = reply.granted;
        return { kind: 'granted', lease: new HeldLease(this.budget, { deviceId, leaseId, fencingToken }, grant) };
      }
      case 'full':
        return { kind: 'wait', delayMs: reply.full.retryAfterMs, reason: reply.full.reason };
      case 'impossible': {
        const { neededBytes, largestCapacityBytes, largestDeviceId } = reply.impossible;
        if (neededBytes <= largestCapacityBytes) {
          return { kind: 'wait', delayMs: LARGER_DEVICE_MS, reason: LARGER_DEVICE };
        }
        throw new MadakvError(
          'exceeds_device_memory',
          `the request needs at least ${neededBytes} bytes of key-value cache; the largest device, ` +
            `${largestDeviceId}, has ${largestCapacityBytes}. Ask for fewer pages or a smaller cache_ratio`,
        );
      }
      case 'refused':
        return undefined;
    }
  }
}
