import type { BudgetMethod, BudgetReply } from '@madakv/contracts';
import { count, observe, record } from './instruments.js';

const LEASE_OPERATIONS: ReadonlySet<BudgetMethod> = new Set(['acquire', 'renew', 'resize', 'release']);

/** What the gauges show. */
export interface BudgetReadings {
  readonly devices: () => Promise<BudgetReply<'list'>>;
  readonly demand: () => Promise<BudgetReply<'queryDemand'>>;
}

/** The instruments of the memory-budget service. */
export function openTelemetryBudgetMetrics() {
  // A counter is there once it was added to. Without a zero before it, the first leases to expire would be no increase.
  count('leasesExpired', 0);
  return {
    answered({ method, outcome, seconds }: { method: BudgetMethod; outcome: string; seconds: number }): void {
      if (!LEASE_OPERATIONS.has(method)) return;
      record('leaseOperationDuration', seconds, { leaseOperation: method, leaseOutcome: outcome });
    },
    granted(cacheRatio: number): void {
      record('leaseCacheRatio', cacheRatio, {});
    },
    expired(leases: number): void {
      count('leasesExpired', leases);
    },
    /** @returns a function that ends it */
    observe(readings: BudgetReadings): () => void {
      const gauges = ['deviceCapacity', 'deviceHeld', 'deviceLeases', 'deviceWaiting'] as const;
      return observe([...gauges, 'demandQueued', 'demandWantedDevices'], async (observed) => {
        const [{ devices }, demand] = await Promise.all([readings.devices(), readings.demand()]);
        for (const { deviceId, capacityBytes, heldBytes, leases, waiting } of devices) {
          observed('deviceCapacity', capacityBytes, { deviceId });
          observed('deviceHeld', heldBytes, { deviceId });
          observed('deviceLeases', leases.length, { deviceId });
          observed('deviceWaiting', waiting.length, { deviceId });
        }
        observed('demandQueued', demand.queuedBytes, {});
        observed('demandWantedDevices', demand.wantedDevices, {});
      });
    },
  };
}
