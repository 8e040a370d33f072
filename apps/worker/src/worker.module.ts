import { Module, type DynamicModule } from '@nestjs/common';
import { HealthServer } from './health/health.server.js';
import { MemoryReport } from './health/memory.report.js';
import { Readiness } from './health/readiness.js';
import { WorkerReport } from './health/worker.report.js';
import { BatchRoleModule } from './roles/batch.role.js';
import { GenerateRoleModule } from './roles/generate.role.js';
import { PrepareRoleModule } from './roles/prepare.role.js';
import { WorkerCoreModule } from './roles/worker.core.module.js';
import { WebhookRoleModule } from './roles/webhook.role.js';
import { WorkerDrain } from './roles/worker.drain.js';
import type { WorkerHooks } from './roles/worker.tokens.js';
import { rolesOf, type WorkerSettings } from './worker.settings.js';

const ROLE_MODULES = { batch: BatchRoleModule, prepare: PrepareRoleModule, generate: GenerateRoleModule } as const;

@Module({})
export class WorkerModule {
  static register(settings: WorkerSettings, hooks: WorkerHooks): DynamicModule {
    const roles = [...rolesOf(settings)].map((role) => ROLE_MODULES[role].register(settings));
    if (rolesOf(settings).has('batch')) roles.push(WebhookRoleModule.register(settings));
    return {
      module: WorkerModule,
      imports: [WorkerCoreModule.register(settings, hooks), ...roles],
      providers: [Readiness, HealthServer, MemoryReport, WorkerReport, WorkerDrain],
    };
  }
}
