import type { Need } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { LeaseRepository, type LeasePolicy } from '../../apps/budget/src/lease.repository.js';
import { LuaScripts } from '../../apps/budget/src/lua.scripts.js';

/** Stands in for Redis's TIME: every key family has a clock of its own that tests set. */
export const TEST_CLOCK = `local function clock_ms() return tonumber(redis.call('GET', KEYS[1] .. ':clock')) end`;

export const START_MS = 1_700_000_000_000;

export const POLICY: LeasePolicy = {
  leaseTtlMs: 1_000,
  deviceTtlMs: 100_000,
  forgetMs: 10_000,
  retryMs: 100,
  maxRetryMs: 500,
  waitGraceMs: 500,
  overtakeMs: 300,
  tenantShares: { '*': 1 },
};

/** Leases on a Redis, under a prefix of their own, with clocks that only tests move. */
export class LeaseBench {
  readonly leases: LeaseRepository;

  constructor(
    readonly redis: Redis,
    readonly prefix: string,
    readonly policy: LeasePolicy = POLICY,
    scripts = new LuaScripts(redis, { 'clock.lua': TEST_CLOCK }),
  ) {
    this.leases = new LeaseRepository(scripts, prefix, policy);
  }

  async setClock(deviceId: string, ms: number): Promise<void> {
    await this.redis.set(`${this.leases.keysOf(deviceId).slice(0, 1).join()}:clock`, ms);
  }
}

/** `transient` is held during prefill on top of what is granted. */
export function needOf({ target, min = target, transient = 0, full = target * 4 }: NeedShape): Need {
  return { peakBytes: target + transient, targetBytes: target, minBytes: min, fullBytes: full };
}

interface NeedShape {
  readonly target: number;
  readonly min?: number;
  readonly transient?: number;
  readonly full?: number;
}
