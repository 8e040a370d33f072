import type { LeaseRef, Need } from '@madakv/contracts';
import { SeededRandom, startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LuaScripts } from '../../apps/budget/src/lua.scripts.js';
import { LeaseBench, needOf, POLICY, START_MS, TEST_CLOCK } from './budget.fixture.js';

const LONGEST_HOLD_MS = 400;
const LATEST_MS = 50;
const RUN_MS = 20_000;
const CAPACITY = 1_000;

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { enableAutoPipelining: true });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** Asks, waits as it is told, holds, releases and begins again. */
interface Client {
  readonly name: string;
  readonly tenant: string;
  readonly large: boolean;
  jobs: number;
  need: Need;
  wakesAtMs: number;
  lease: LeaseRef | undefined;
  /** When and at which place its present job first asked. */
  waiting: { readonly sinceMs: number; readonly place: number } | undefined;
}

let crowds = 0;

/** A device under constant pressure of small jobs, on which now and then someone needs most of it. */
class Crowd {
  private readonly random: SeededRandom;
  private readonly bench: LeaseBench;
  private readonly clients: Client[];
  /** Each job's wait over the longest that it may be, and whether it was a large one. */
  readonly waits: { readonly large: boolean; readonly overBound: number }[] = [];

  constructor(seed: number, scripts: LuaScripts, tenantShares: Record<string, number>) {
    this.random = new SeededRandom(seed);
    const policy = { ...POLICY, tenantShares, deviceTtlMs: 10 * RUN_MS, leaseTtlMs: 10 * RUN_MS };
    this.bench = new LeaseBench(redis, `crowd${++crowds}`, policy, scripts);
    this.clients = Array.from({ length: 15 }, (_, i) => this.clientOf(i, i < 2));
  }

  async run(): Promise<void> {
    await this.bench.setClock('gpu', START_MS);
    await this.bench.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: CAPACITY });
    for (;;) {
      const client = this.clients.reduce((first, other) => (other.wakesAtMs < first.wakesAtMs ? other : first));
      if (client.wakesAtMs > START_MS + RUN_MS) break;
      await this.bench.setClock('gpu', client.wakesAtMs);
      await (client.lease === undefined ? this.ask(client) : this.end(client, client.lease));
    }
    // Who still waits has waited at least this long.
    for (const client of this.clients) this.note(client, START_MS + RUN_MS);
  }

  private async ask(client: Client): Promise<void> {
    const { tenant, need, wakesAtMs: nowMs } = client;
    const job = { deviceId: 'gpu', jobId: `${client.name}-${client.jobs}`, holder: 'a', tenant, need };
    const reply = await this.bench.leases.acquire(job);
    if (reply.outcome === 'granted') {
      this.note(client, nowMs);
      client.lease = { deviceId: 'gpu', leaseId: reply.granted.leaseId, fencingToken: reply.granted.fencingToken };
      client.wakesAtMs += this.random.integer(50, LONGEST_HOLD_MS);
      return;
    }
    if (reply.outcome !== 'full') throw new Error(JSON.stringify(reply));
    client.waiting ??= { sinceMs: nowMs, place: reply.full.position };
    client.wakesAtMs += reply.full.retryAfterMs + this.random.integer(0, LATEST_MS);
  }

  private async end(client: Client, lease: LeaseRef): Promise<void> {
    await this.bench.leases.release(lease);
    client.lease = undefined;
    client.jobs += 1;
    client.need = this.needOf(client.large);
    client.wakesAtMs += client.large ? this.random.integer(100, 1_000) : this.random.integer(0, 20);
  }

  /**
   * Once it has waited for the bound, nobody overtakes it. Then those before it, one after another at worst, need the room
   * to come free, to notice that, and to finish.
   */
  private note(client: Client, nowMs: number): void {
    if (client.waiting !== undefined) {
      const turnMs = POLICY.maxRetryMs + LATEST_MS + LONGEST_HOLD_MS;
      const boundMs = POLICY.overtakeMs + client.waiting.place * turnMs;
      this.waits.push({ large: client.large, overBound: (nowMs - client.waiting.sinceMs) / boundMs });
    }
    client.waiting = undefined;
  }

  private clientOf(i: number, large: boolean): Client {
    const tenant = large ? 'large' : `t${i % 2}`;
    const wakesAtMs = START_MS + this.random.integer(0, 500);
    const need = this.needOf(large);
    return { name: `c${i}`, tenant, large, jobs: 0, need, wakesAtMs, lease: undefined, waiting: undefined };
  }

  private needOf(large: boolean): Need {
    const min = large ? this.random.integer(700, CAPACITY) : this.random.integer(60, 150);
    return needOf({ min, target: Math.min(CAPACITY, min + this.random.integer(0, 100)) });
  }
}

it.each([[{ '*': 1 }], [{ '*': 0.5 }], [{ '*': 0.2 }]])(
  'with shares %j nobody starves: not the large among the small, nor the small beside the large',
  async (shares) => {
    const scripts = new LuaScripts(redis, { 'clock.lua': TEST_CLOCK });
    const all = Array.from({ length: 12 }, (_, seed) => new Crowd(seed, scripts, shares));
    await Promise.all(all.map((crowd) => crowd.run()));
    const waits = all.flatMap((crowd) => crowd.waits);
    const worst = (large: boolean): number =>
      Math.max(...waits.filter((wait) => wait.large === large).map((wait) => wait.overBound));
    expect(waits.filter((wait) => wait.large).length).toBeGreaterThan(100);
    expect(worst(true)).toBeLessThan(1);
    expect(worst(false)).toBeLessThan(1);
  },
);
