import type {
  AcquireReply,
  AcquireRequest,
  BudgetApi,
  ListReply,
  ListRequest,
  PublishDemandReply,
  PublishDemandRequest,
  QueryDemandReply,
  QueryDemandRequest,
  RegisterDeviceReply,
  RegisterDeviceRequest,
  ReleaseReply,
  ReleaseRequest,
  RenewReply,
  RenewRequest,
  ResizeReply,
  ResizeRequest,
  SetCapacityReply,
  SetCapacityRequest,
} from '@madakv/contracts';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BudgetMetrics } from './budget.metrics.js';
import { DEMAND, DEVICES, LEASES, METRICS } from './budget.tokens.js';
import type { DemandRepository } from './demand.repository.js';
import type { DeviceRegistry } from './device.registry.js';
import type { DeviceSummary, LeaseRepository } from './lease.repository.js';
import { SharedReading } from './shared.reading.js';

/** How long a job that was told to wait counts as demand that nobody else has stated, in milliseconds. It asks again much earlier. */
const WAITING_TTL_MS = 600_000;

/** `model`: what its workers serve; empty where they do not say. */
type KnownDevice = DeviceSummary & { readonly model: string };

/** What spans devices: the registry, the demand, the largest device. What one device decides, its scripts decide. */
@Injectable()
export class BudgetService implements BudgetApi {
  private readonly logger = new Logger('Budget');
  /** A step in Redis for each device there is: with a thousand of them, too much for each who asks. */
  private readonly summaries = new SharedReading(() => this.readSummaries());

  constructor(
    @Inject(LEASES) private readonly leases: LeaseRepository,
    @Inject(DEVICES) private readonly devices: DeviceRegistry,
    @Inject(DEMAND) private readonly demand: DemandRepository,
    @Inject(METRICS) private readonly metrics: BudgetMetrics,
  ) {}

  async registerDevice(request: RegisterDeviceRequest): Promise<RegisterDeviceReply> {
    const [reply] = await Promise.all([
      this.leases.register(request),
      this.devices.add(request.deviceId, request.capacityBytes, request.model ?? ''),
    ]);
    return reply;
  }

  async setCapacity({ deviceId, limitBytes }: SetCapacityRequest): Promise<SetCapacityReply> {
    const reply = await this.leases.setLimit(deviceId, limitBytes);
    this.logger.log({ message: 'limit set', deviceId, limitBytes: limitBytes ?? null, outcome: reply.outcome });
    return reply;
  }

  async acquire(request: AcquireRequest): Promise<AcquireReply> {
    const reply = await this.leases.acquire(request);
    const { deviceId, jobId } = request;
    switch (reply.outcome) {
      case 'granted':
        this.metrics.granted(reply.granted.cacheRatio);
        this.logger.debug({ message: 'granted', deviceId, jobId, ...reply.granted });
        await this.demand.publish({ jobId, bytes: 0, model: '' });
        return reply;
      case 'impossible': {
        const impossible = { ...reply.impossible, ...(await this.largest(reply.impossible)) };
        this.logger.warn({ message: 'impossible', jobId, ...impossible });
        return { outcome: 'impossible', impossible };
      }
      case 'full':
        // The grant of an attempt that came to nothing has withdrawn its demand; what waits again is demand again.
        await this.demand.publishAbsent(
          { jobId, bytes: request.need.targetBytes, model: await this.devices.modelOf(deviceId) },
          WAITING_TTL_MS,
        );
        this.logger.debug({ message: 'full', deviceId, jobId, ...reply.full });
        return reply;
      case 'refused':
        this.logger.debug({ message: reply.outcome, deviceId, jobId, ...reply });
        return reply;
    }
  }

  async renew({ lease }: RenewRequest): Promise<RenewReply> {
    return this.leases.renew(lease);
  }

  async resize({ lease, bytes }: ResizeRequest): Promise<ResizeReply> {
    return this.leases.resize(lease, bytes);
  }

  async release({ lease }: ReleaseRequest): Promise<ReleaseReply> {
    return this.leases.release(lease);
  }

  async list({ deviceId }: ListRequest): Promise<ListReply> {
    return { devices: await this.listed(deviceId === '' ? Object.keys(await this.devices.known()) : [deviceId]) };
  }

  async publishDemand({ jobId, bytes, model = '' }: PublishDemandRequest): Promise<PublishDemandReply> {
    await this.demand.publish({ jobId, bytes, model });
    return {};
  }

  async queryDemand({ model = '' }: QueryDemandRequest = {}): Promise<QueryDemandReply> {
    const [queued, known] = await Promise.all([this.demand.queued(model), this.summaries.get()]);
    const devices = known.filter((device) => model === '' || device.model === model || device.model === '');
    const live = devices.filter((device) => device.live);
    const heldBytes = sum(devices.map((device) => device.heldBytes));
    const bytesPerDevice =
      live.length > 0
        ? Math.round(sum(live.map((device) => device.announcedBytes)) / live.length)
        : await this.devices.lastCapacityBytes(model);
    return {
      queuedBytes: queued.bytes,
      queuedJobs: queued.jobs,
      heldBytes,
      capacityBytes: sum(live.map((device) => device.capacityBytes)),
      liveDevices: live.length,
      bytesPerDevice,
      wantedDevices: bytesPerDevice === 0 ? 0 : Math.ceil((queued.bytes + heldBytes) / bytesPerDevice),
      demandBytes: queued.bytes + heldBytes,
    };
  }

  /** Ends what expired on devices that nobody asks for. Returns how many leases that were. */
  async sweep(): Promise<number> {
    let expired = 0;
    for (const deviceId of Object.keys(await this.devices.known()).sort()) {
      const swept = await this.leases.sweep(deviceId);
      if (swept.forgotten) await this.devices.remove(deviceId);
      if (swept.expired > 0) this.logger.warn({ message: 'leases expired', deviceId, leases: swept.expired });
      expired += swept.expired;
    }
    if (expired > 0) this.metrics.expired(expired);
    return expired;
  }

  private async listed(ids: readonly string[]): Promise<ListReply['devices']> {
    const devices = await Promise.all([...ids].sort().map((id) => this.leases.list(id)));
    return devices.filter((device) => device !== undefined);
  }

  private async readSummaries(): Promise<readonly KnownDevice[]> {
    const known = Object.entries(await this.devices.known()).sort(([a], [b]) => (a < b ? -1 : 1));
    const summaries = await Promise.all(
      known.map(async ([id, model = '']) => {
        const summary = await this.leases.summary(id);
        return summary === undefined ? undefined : { ...summary, model };
      }),
    );
    return summaries.filter((summary) => summary !== undefined);
  }

  /** The largest of all known devices; the one given unless another is larger. */
  private async largest(given: {
    largestDeviceId: string;
    largestCapacityBytes: number;
  }): Promise<{ largestDeviceId: string; largestCapacityBytes: number }> {
    let { largestDeviceId, largestCapacityBytes } = given;
    for (const { deviceId, announcedBytes } of await this.summaries.get()) {
      if (announcedBytes > largestCapacityBytes) [largestDeviceId, largestCapacityBytes] = [deviceId, announcedBytes];
    }
    return { largestDeviceId, largestCapacityBytes };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
