import type { LeaseRef, Need } from '@madakv/contracts';
import { SeededRandom } from '@madakv/testing';
import type { Redis } from 'ioredis';
import type { LeasePolicy } from '../../apps/budget/src/lease.repository.js';
import type { LuaScripts } from '../../apps/budget/src/lua.scripts.js';
import { LeaseBench, POLICY, START_MS } from './budget.fixture.js';
import { checkAcquire, checkState, checkTouch, type Step, type TouchOp } from './budget.invariants.js';
import { snapshotOf, type Snapshot } from './budget.snapshot.js';

const SHARES: readonly LeasePolicy['tenantShares'][] = [
  { '*': 1 },
  { '*': 0.5 },
  { '*': 0.3, a: 0.7 },
  { '*': 0 },
  { a: 0.1 },
];

interface Client {
  readonly name: string;
  readonly tenant: string;
  readonly deviceId: string;
  /** Attempts so far; a crash begins another. */
  attempt: number;
  need: Need;
  lease: LeaseRef | undefined;
}

interface Device {
  readonly id: string;
  nowMs: number;
  latestMs: number;
  lastToken: number;
  snapshot: Snapshot;
}

/** Random clients of random devices, driven step by step in a random order; every step is checked. */
export class World {
  readonly random: SeededRandom;
  private readonly policy: LeasePolicy;
  private readonly bench: LeaseBench;
  private readonly devices: Device[] = [];
  private readonly clients: Client[] = [];
  /** References that were good once. */
  private readonly old: LeaseRef[] = [];
  /** How often each outcome came up: a run that never meets one proves nothing about it. */
  readonly outcomes = new Map<string, number>();

  constructor(
    private readonly redis: Redis,
    scripts: LuaScripts,
    seed: number,
  ) {
    this.random = new SeededRandom(seed);
    this.policy = { ...POLICY, tenantShares: this.random.pick(SHARES), overtakeMs: this.random.pick([0, 100, 300]) };
    this.bench = new LeaseBench(redis, `p${seed}`, this.policy, scripts);
  }

  async run(steps: number): Promise<void> {
    for (const id of this.random.pick([['x'], ['x'], ['x', 'y']])) {
      const [nowMs, snapshot] = [START_MS, await snapshotOf(this.redis, this.bench.leases.keysOf(id))];
      this.devices.push({ id, nowMs, latestMs: nowMs, lastToken: 0, snapshot });
      await this.bench.setClock(id, nowMs);
      await this.announce(this.deviceOf(id));
    }
    for (let i = this.random.integer(2, 10); i > 0; i--) this.clients.push(this.newClient(`c${i}`));
    for (let i = 0; i < steps; i++) await this.step();
    for (const device of this.devices) await this.endOf(device);
    await this.redis.unlink(this.devices.flatMap(({ id }) => this.keysAndClock(id)));
  }

  private async step(): Promise<void> {
    const { random } = this;
    const client = random.pick(this.clients);
    const device = this.deviceOf(client.deviceId);
    const roll = random.integer(0, 99);
    if (roll < 50) await (client.lease === undefined ? this.acquire(client) : this.useLease(client, client.lease));
    else if (roll < 60) await this.touchAny(device);
    else if (roll < 68) this.crash(client);
    else if (roll < 84) await this.passTime(device);
    else if (roll < 89) await this.announce(device);
    else if (roll < 93) await this.setLimit(device);
    else if (roll < 97) await this.observe(device, () => this.bench.leases.sweep(device.id));
    else await this.observe(device, () => this.bench.leases.list(device.id));
  }

  private async acquire(client: Client): Promise<void> {
    const device = this.deviceOf(client.deviceId);
    const { name: jobId, tenant, need, deviceId } = client;
    const request = { deviceId, jobId, holder: `a${client.attempt}`, tenant, need };
    const { reply, step } = await this.observe(
      device,
      () => this.bench.leases.acquire(request),
      `${jobId}#${request.holder}`,
    );
    checkAcquire(step, request, reply, device.lastToken);
    this.count(
      reply.outcome === 'full' ? reply.full.reason : reply.outcome === 'refused' ? reply.refused.reason : reply.outcome,
    );
    if (reply.outcome === 'impossible') client.need = this.newNeed();
    if (reply.outcome !== 'granted') return;
    const { leaseId, fencingToken, grantedBytes } = reply.granted;
    if (grantedBytes < need.targetBytes) this.count(grantedBytes > need.minBytes ? 'between' : 'at least');
    client.lease = { deviceId, leaseId, fencingToken };
    // Sometimes the reply is lost, and the client asks again.
    if (this.random.integer(0, 9) === 0) client.lease = undefined;
    device.lastToken = Math.max(device.lastToken, fencingToken);
    this.old.push({ deviceId, leaseId, fencingToken });
  }

  private async useLease(client: Client, lease: LeaseRef): Promise<void> {
    const kind = this.random.pick(['renew', 'resize', 'resize', 'release'] as const);
    const outcome = await this.touch(lease, kind);
    if (kind === 'release' || outcome === 'refused') this.crash(client);
  }

  /** Anyone may call with anything: what ended long ago, what is another's, what never was. */
  private async touchAny(device: Device): Promise<void> {
    const ref = this.old.length > 0 ? this.random.pick(this.old) : this.nonsense(device);
    await this.touch(ref, this.random.pick(['renew', 'resize', 'release']));
  }

  private async touch(ref: LeaseRef, kind: TouchOp['kind']): Promise<TouchOp['reply']['outcome']> {
    const { step, reply: op } = await this.observe(
      this.deviceOf(ref.deviceId),
      () => this.operate(ref, kind),
      ref.leaseId,
    );
    checkTouch(step, ref, op);
    const { reply } = op;
    this.count(reply.outcome === 'refused' ? reply.refused.reason : `${kind} ${reply.outcome}`);
    return reply.outcome;
  }

  private async operate(ref: LeaseRef, kind: TouchOp['kind']): Promise<TouchOp> {
    const { leases } = this.bench;
    const peakBytes = this.clients.find(({ lease }) => lease?.leaseId === ref.leaseId)?.need.peakBytes ?? 700;
    const bytes = this.random.integer(0, peakBytes + this.random.pick([0, 0, 0, 50]));
    if (kind === 'renew') return { kind, reply: await leases.renew(ref) };
    if (kind === 'release') return { kind, reply: await leases.release(ref) };
    return { kind, bytes, reply: await leases.resize(ref, bytes) };
  }

  /** The client is gone without a word; another one takes its place, with the same job or the next attempt at it. */
  private crash(client: Client): void {
    client.lease = undefined;
    client.attempt += this.random.integer(0, 1);
    if (this.random.integer(0, 1) === 0) client.need = this.newNeed();
  }

  /** Mostly a little; now and then past every time to live, or back. */
  private async passTime(device: Device): Promise<void> {
    const rare = [1_000, 1_500, 150_000, -4_000];
    const byMs = this.random.pick([1, 30, 99, 100, 250, 300, 400, 600, -40, this.random.pick(rare)]);
    device.nowMs = Math.max(device.latestMs - 5_000, device.nowMs + byMs);
    device.latestMs = Math.max(device.latestMs, device.nowMs);
    await this.bench.setClock(device.id, device.nowMs);
  }

  private async announce(device: Device): Promise<void> {
    const capacityBytes = this.random.pick([0, 100, 500, 800, ...Array<number>(12).fill(1_000)]);
    const announcement = { deviceId: device.id, workerId: 'w', capacityBytes };
    await this.observe(device, () => this.bench.leases.register(announcement));
  }

  private async setLimit(device: Device): Promise<void> {
    const limitBytes = this.random.pick([undefined, undefined, 0, 300, 700, 2_000]);
    await this.observe(device, () => this.bench.leases.setLimit(device.id, limitBytes));
  }

  /** Clients release or vanish; after a time to live the whole device is free and can be leased in one piece. */
  private async endOf(device: Device): Promise<void> {
    const { leases } = this.bench;
    for (const { lease } of this.clients) {
      if (lease?.deviceId === device.id && this.random.integer(0, 1) === 0) await this.touch(lease, 'release');
    }
    device.nowMs = device.latestMs + 10_000;
    await this.bench.setClock(device.id, device.nowMs);
    const { step } = await this.observe(device, () => leases.sweep(device.id));
    const { held, leases: left, waiting, tenants } = step.after;
    const rest = held + left.length + waiting.length + tenants.size;
    if (rest > 0) throw new Error(`broken: not everything returned: ${JSON.stringify(step.after)}`);
    await leases.register({ deviceId: device.id, workerId: 'w', capacityBytes: 1_000 });
    await leases.setLimit(device.id, undefined);
    const need = { peakBytes: 1_000, targetBytes: 1_000, minBytes: 1_000, fullBytes: 1_000 };
    const all = await leases.acquire({ deviceId: device.id, jobId: 'all', holder: 'a', tenant: 't', need });
    if (all.outcome !== 'granted' || all.granted.fencingToken <= device.lastToken) {
      throw new Error(`broken: the device cannot be leased whole: ${JSON.stringify(all)}`);
    }
  }

  /** One step with what was there before and after it. */
  private async observe<T>(
    device: Device,
    act: () => Promise<T>,
    touched?: string,
  ): Promise<{ readonly reply: T; readonly step: Step }> {
    const before = device.snapshot;
    const [reply, after] = await Promise.all([act(), snapshotOf(this.redis, this.bench.leases.keysOf(device.id))]);
    device.snapshot = after;
    const step = { before, after, nowMs: device.nowMs, policy: this.policy };
    checkState(step, touched);
    return { reply, step };
  }

  private newClient(name: string): Client {
    const tenant = this.random.pick(['a', 'b', 'c']);
    const deviceId = this.random.pick(this.devices).id;
    return { name, tenant, deviceId, attempt: 0, need: this.newNeed(), lease: undefined };
  }

  private newNeed(): Need {
    const minBytes = this.random.integer(1, this.random.pick([150, 400, 400, 900]));
    const targetBytes = minBytes + this.random.pick([0, 0, this.random.integer(0, 500)]);
    const peakBytes = targetBytes + this.random.pick([0, 0, this.random.integer(0, 300)]);
    return { minBytes, targetBytes, peakBytes, fullBytes: this.random.integer(targetBytes, 4 * targetBytes) };
  }

  private nonsense(device: Device): LeaseRef {
    return { deviceId: device.id, leaseId: 'nobody#a', fencingToken: this.random.integer(0, 9) };
  }

  private deviceOf(id: string): Device {
    const device = this.devices.find((one) => one.id === id);
    if (device === undefined) throw new Error(`no device ${id}`);
    return device;
  }

  private keysAndClock(deviceId: string): string[] {
    const keys = this.bench.leases.keysOf(deviceId);
    return [...keys, ...keys.map((key) => `${key}:clock`)];
  }

  private count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}
