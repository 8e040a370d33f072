import { Module, type DynamicModule } from '@nestjs/common';
import { HealthServer } from './health/health.server.js';
import { Readiness } from './health/readiness.js';
import { BatchRoleModule } from './roles/batch.role.js';
import { GenerateRoleModule } from './roles/generate.role.js';
import { PrepareRoleModule } from './roles/prepare.role.js';
import { WorkerCoreModule } from './roles/worker.core.module.js';
import { WorkerDrain } from './roles/worker.drain.js';
import type { OnFatal } from './roles/worker.tokens.js';
import { rolesOf, type WorkerSettings } from './worker.settings.js';

const ROLE_MODULES = { batch: BatchRoleModule, prepare: PrepareRoleModule, generate: GenerateRoleModule } as const;

@Module({})
export class WorkerModule {
  /** @param onFatal told when the model cannot be loaded */
  static register(settings: WorkerSettings, onFatal: OnFatal): DynamicModule {
    const roles = [...rolesOf(settings)].map((role) => ROLE_MODULES[role].register(settings));
    return {
      module: WorkerModule,
      imports: [WorkerCoreModule.register(settings, onFatal), ...roles],
      providers: [Readiness, HealthServer, WorkerDrain],
    };
  }
}
