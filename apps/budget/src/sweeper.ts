import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { BudgetSettings } from './budget.settings.js';
import { BudgetService } from './budget.service.js';
import { SETTINGS } from './budget.tokens.js';

/** Sweeps at intervals. Any number of replicas may do so at once. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Sweeper');
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    @Inject(BudgetService) private readonly service: BudgetService,
    @Inject(SETTINGS) private readonly settings: BudgetSettings,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running ??= this.sweep().finally(() => (this.running = undefined));
    }, this.settings.MADAKV_BUDGET_SWEEP_MS);
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async sweep(): Promise<void> {
    try {
      await this.service.sweep();
    } catch (error) {
      this.logger.warn({ message: 'sweep failed', error: String(error) });
    }
  }
}
