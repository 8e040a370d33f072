import type { AcquireReply, LeaseRef, Need } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { LeasePolicy, LeaseRepository } from '../../apps/budget/src/lease.repository.js';
import { LeaseBench, POLICY, START_MS } from './budget.fixture.js';

export const fullFor = (reason: string): object => ({ outcome: 'full', full: { reason } });
export const refusedFor = (reason: string): object => ({ outcome: 'refused', refused: { reason } });

/** One device, "gpu", of 1000 bytes, fresh for each test, at START_MS on a clock that only the test moves. */
export class TestDevice {
  private server: RedisServer | undefined;
  private connection: Redis | undefined;
  private bench: LeaseBench | undefined;
  private opened = 0;
  nowMs = START_MS;

  /** Call at the top of a file of tests. */
  constructor() {
    beforeAll(async () => {
      this.server = await startRedis();
      this.connection = new Redis(this.server.url);
    });
    afterAll(async () => {
      this.connection?.disconnect();
      await this.server?.stop();
    });
    beforeEach(() => this.open());
  }

  get redis(): Redis {
    if (this.connection === undefined) throw new Error('not started');
    return this.connection;
  }

  get leases(): LeaseRepository {
    if (this.bench === undefined) throw new Error('not open');
    return this.bench.leases;
  }

  readonly open = async (policy: Partial<LeasePolicy> = {}): Promise<void> => {
    this.bench = new LeaseBench(this.redis, `t${++this.opened}`, { ...POLICY, ...policy });
    await this.at(0);
    await this.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 1000 });
  };

  readonly setClock = async (deviceId: string, ms: number): Promise<void> => {
    await this.bench?.setClock(deviceId, ms);
  };

  /** Moves the clock to so many milliseconds after the start. */
  readonly at = async (ms: number): Promise<void> => {
    this.nowMs = START_MS + ms;
    await this.setClock('gpu', this.nowMs);
  };

  readonly ask = (jobId: string, need: Need, { holder = 'a1', tenant = 't', rank = 0 } = {}): Promise<AcquireReply> =>
    this.leases.acquire({ deviceId: 'gpu', jobId, holder, tenant, need, rank });

  readonly take = async (
    jobId: string,
    need: Need,
    who: { holder?: string; tenant?: string } = {},
  ): Promise<LeaseRef> => {
    const reply = await this.ask(jobId, need, who);
    if (reply.outcome !== 'granted') throw new Error(`expected a grant, got ${JSON.stringify(reply)}`);
    const { leaseId, fencingToken } = reply.granted;
    return { deviceId: 'gpu', leaseId, fencingToken };
  };

  readonly give = async (lease: LeaseRef): Promise<void> => {
    await this.leases.release(lease);
  };

  readonly held = async (): Promise<number> => (await this.leases.list('gpu'))?.heldBytes ?? NaN;
}
