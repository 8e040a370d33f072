import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { BudgetMetrics } from './budget.metrics.js';
import { BudgetService } from './budget.service.js';
import { METRICS } from './budget.tokens.js';

/** Shows devices and demand as metrics. Every replica does, of the same state. */
@Injectable()
export class Gauges implements OnApplicationBootstrap, OnModuleDestroy {
  private end: (() => void) | undefined;

  constructor(
    @Inject(BudgetService) private readonly service: BudgetService,
    @Inject(METRICS) private readonly metrics: BudgetMetrics,
  ) {}

  onApplicationBootstrap(): void {
    this.end = this.metrics.observe({
      devices: () => this.service.list({ deviceId: '' }),
      demand: () => this.service.queryDemand(),
    });
  }

  onModuleDestroy(): void {
    this.end?.();
  }
}
