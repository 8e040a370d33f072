import type { WorkerRecord } from '@madakv/contracts';
import type { Records } from '@madakv/records';
import { Inject, Injectable, Logger, Optional, type OnApplicationBootstrap } from '@nestjs/common';
import { BudgetWatch } from '../lease/budget.watch.js';
import { GenerateRole } from '../roles/generate.role.js';
import { PrepareRole } from '../roles/prepare.role.js';
import { RECORDS, SETTINGS } from '../roles/worker.tokens.js';
import { deviceIdOf, modelIdOf, rolesOf, workerIdOf, type WorkerSettings } from '../worker.settings.js';
import { MemoryReport } from './memory.report.js';
import { Readiness } from './readiness.js';

/** Between two reports, in milliseconds. */
const PERIOD_MS = 5_000;
/** Weights as the settings name them, for people. */
const PRECISIONS: Readonly<Record<string, string>> = { none: 'fp32', '8': 'int8', '4': 'int4', w8a8: 'w8a8' };

/** Says now and then what this worker is and does, so that an overview can be drawn. Nothing depends on it. */
@Injectable()
export class WorkerReport implements OnApplicationBootstrap {
  private readonly log = new Logger('Report');
  private timer: NodeJS.Timeout | undefined;
  private wasTold = true;
  private reporting: Promise<void> = Promise.resolve();

  constructor(
    @Inject(SETTINGS) private readonly settings: WorkerSettings,
    @Inject(RECORDS) private readonly records: Records,
    @Inject(BudgetWatch) private readonly budget: BudgetWatch,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(MemoryReport) private readonly memory: MemoryReport,
    @Optional() @Inject(PrepareRole) private readonly prepare?: PrepareRole,
    @Optional() @Inject(GenerateRole) private readonly generate?: GenerateRole,
  ) {}

  onApplicationBootstrap(): void {
    const report = (): void => {
      this.reporting = this.report();
    };
    report();
    this.timer = setInterval(report, PERIOD_MS);
  }

  /** Takes this worker off the list. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.reporting;
    await this.records.workers.forget(workerIdOf(this.settings)).catch(() => undefined);
  }

  private async report(): Promise<void> {
    try {
      await this.records.workers.announce(await this.read());
      this.wasTold = true;
    } catch (error) {
      if (this.wasTold) this.log.warn(`what this worker does is not told: ${(error as Error).message}`);
      this.wasTold = false;
    }
  }

  private async read(): Promise<WorkerRecord> {
    const { settings, generate } = this;
    const build = generate?.build;
    // Known once the device has said what it can.
    const kvPrecision = generate?.kvPrecision ?? settings.MADAKV_KV_CACHE;
    const weights =
      kvPrecision === 'fp16' && settings.MADAKV_QUANT === 'none' ? 'fp16' : PRECISIONS[settings.MADAKV_QUANT];
    const building = build !== undefined && build.done < build.total;
    return {
      id: workerIdOf(settings),
      roles: [...rolesOf(settings)],
      model: this.prepare === undefined && generate === undefined ? null : modelIdOf(settings),
      state: this.stateOf(building),
      progress: building ? { done: build.done, total: build.total } : null,
      provider: generate === undefined ? null : settings.MADAKV_PROVIDER,
      precision: generate === undefined ? null : weights,
      kvPrecision: generate === undefined ? null : kvPrecision,
      memoryBytes: this.memory.read().resident,
      device: generate === undefined ? null : await this.device(),
      seenAtMs: Date.now(),
    };
  }

  private stateOf(building: boolean): string {
    if (this.readiness.draining) return 'ending';
    if (this.generate === undefined) return 'ready';
    if (building) return 'building';
    return this.generate.engineState;
  }

  /** Null before it was announced, and while the memory-budget service is away. */
  private async device(): Promise<WorkerRecord['device']> {
    const id = deviceIdOf(this.settings);
    if (!this.budget.available) return null;
    const { devices } = await this.budget.call('list', { deviceId: id }).catch(() => ({ devices: [] }));
    if (devices.length === 0) return null;
    const [{ capacityBytes, heldBytes, leases, waiting }] = devices;
    const allocatedBytes = this.generate?.engineMemory?.kv ?? 0;
    return {
      id,
      capacityBytes,
      leasedBytes: heldBytes,
      allocatedBytes,
      leases: leases.length,
      waiting: waiting.length,
    };
  }
}
