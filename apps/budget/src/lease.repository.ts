import {
  AcquireReplySchema,
  RegisterDeviceReplySchema,
  ReleaseReplySchema,
  RenewReplySchema,
  ResizeReplySchema,
  SetCapacityReplySchema,
  type AcquireReply,
  type AcquireRequest,
  DeviceSchema,
  type Device,
  LeaseSchema,
  type LeaseRef,
  type RegisterDeviceReply,
  type RegisterDeviceRequest,
  type ReleaseReply,
  type RenewReply,
  type ResizeReply,
  type SetCapacityReply,
  WaitingSchema,
} from '@madakv/contracts';
import { z } from 'zod';
import type { LuaScripts } from './lua.scripts.js';

/** The rules of leases as numbers: what the scripts need of the settings. */
export interface LeasePolicy {
  readonly leaseTtlMs: number;
  readonly deviceTtlMs: number;
  readonly forgetMs: number;
  readonly retryMs: number;
  readonly maxRetryMs: number;
  readonly waitGraceMs: number;
  readonly overtakeMs: number;
  /** Tenant, or '*' for all others, to its share of a device, 0 to 1. */
  readonly tenantShares: Readonly<Partial<Record<string, number>>>;
}

const Swept = z.object({ expired: z.int().min(0), forgotten: z.boolean() });
const Listed = z.tuple([z.string(), z.array(z.string()), z.array(z.string())]).nullable();
const Summary = DeviceSchema.omit({ deviceId: true, leases: true, waiting: true });

/** A device without its leases and without who waits for some. */
export type DeviceSummary = Omit<Device, 'leases' | 'waiting'>;

/** One device's leases: each method is one Lua script, hence one step that nothing comes between. */
export class LeaseRepository {
  constructor(
    private readonly scripts: LuaScripts,
    private readonly prefix: string,
    private readonly policy: LeasePolicy,
  ) {}

  async register({ deviceId, workerId, capacityBytes }: RegisterDeviceRequest): Promise<RegisterDeviceReply> {
    const ttlMs = this.policy.deviceTtlMs;
    const reply = await this.run('register', deviceId, [workerId, capacityBytes, ttlMs]);
    return RegisterDeviceReplySchema.omit({ ttlMs: true })
      .transform((capacity) => ({ ...capacity, ttlMs }))
      .parse(reply);
  }

  async setLimit(deviceId: string, limitBytes: number | undefined): Promise<SetCapacityReply> {
    return SetCapacityReplySchema.parse(await this.run('limit', deviceId, [limitBytes ?? '']));
  }

  /** An `impossible` reply knows this device only, and calls it the largest. */
  async acquire({ deviceId, jobId, holder, tenant, need, rank = 0 }: AcquireRequest): Promise<AcquireReply> {
    const { leaseTtlMs, retryMs, maxRetryMs, waitGraceMs, overtakeMs, tenantShares } = this.policy;
    const request = { deviceId, leaseId: leaseIdOf(jobId, holder), jobId, holder, tenant, rank, ...need };
    const policy = { leaseTtlMs, retryMs, maxRetryMs, waitGraceMs, overtakeMs, tenantShares };
    return AcquireReplySchema.parse(
      await this.run('acquire', deviceId, [JSON.stringify(request), JSON.stringify(policy)]),
    );
  }

  async renew({ deviceId, leaseId, fencingToken }: LeaseRef): Promise<RenewReply> {
    return RenewReplySchema.parse(await this.run('renew', deviceId, [leaseId, fencingToken, this.policy.leaseTtlMs]));
  }

  async resize({ deviceId, leaseId, fencingToken }: LeaseRef, bytes: number): Promise<ResizeReply> {
    const { leaseTtlMs, retryMs } = this.policy;
    return ResizeReplySchema.parse(
      await this.run('resize', deviceId, [leaseId, fencingToken, bytes, leaseTtlMs, retryMs]),
    );
  }

  async release({ deviceId, leaseId, fencingToken }: LeaseRef): Promise<ReleaseReply> {
    return ReleaseReplySchema.parse(await this.run('release', deviceId, [leaseId, fencingToken]));
  }

  /** Undefined when the device is unknown. */
  async list(deviceId: string): Promise<Device | undefined> {
    const listed = Listed.parse(await this.scripts.run('list', this.keysOf(deviceId)));
    if (listed === null) return undefined;
    const [summary, leases, waiting] = listed;
    return {
      deviceId,
      ...Summary.parse(JSON.parse(summary)),
      leases: leases.map((lease) => LeaseSchema.parse(JSON.parse(lease))),
      waiting: waiting.map((entry) => WaitingSchema.parse(JSON.parse(entry))),
    };
  }

  /** Undefined when the device is unknown. */
  async summary(deviceId: string): Promise<DeviceSummary | undefined> {
    const summary = z
      .string()
      .nullable()
      .parse(await this.scripts.run('summary', this.keysOf(deviceId)));
    return summary === null ? undefined : { deviceId, ...Summary.parse(JSON.parse(summary)) };
  }

  async sweep(deviceId: string): Promise<z.infer<typeof Swept>> {
    return Swept.parse(await this.run('sweep', deviceId, [this.policy.forgetMs]));
  }

  /** The braces make Redis Cluster keep all of a device's keys in one slot. */
  keysOf(deviceId: string): string[] {
    return ['device', 'leases', 'expiries', 'tenants', 'waiting'].map((key) => `${this.prefix}:{${deviceId}}:${key}`);
  }

  private async run(script: string, deviceId: string, args: readonly (string | number)[]): Promise<unknown> {
    return JSON.parse(z.string().parse(await this.scripts.run(script, this.keysOf(deviceId), args)));
  }
}

/** The same for a repeated call; another for another attempt at the job. */
export function leaseIdOf(jobId: string, holder: string): string {
  return `${jobId}#${holder}`;
}
