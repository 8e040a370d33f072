import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { BudgetController } from './budget.controller.js';
import { noMetrics, type BudgetMetrics } from './budget.metrics.js';
import { BudgetService } from './budget.service.js';
import type { BudgetSettings } from './budget.settings.js';
import { DEMAND, DEVICES, LEASES, METRICS, REDIS, SETTINGS, TELEMETRY } from './budget.tokens.js';
import { DemandRepository } from './demand.repository.js';
import { DeviceRegistry } from './device.registry.js';
import { Gauges } from './gauges.js';
import { HealthServer } from './health.server.js';
import { LeaseRepository } from './lease.repository.js';
import { LuaScripts } from './lua.scripts.js';
import { connectRedis, RedisConnection } from './redis.connection.js';
import { Sweeper } from './sweeper.js';

@Module({})
export class BudgetModule {
  /** @param telemetry ends after the last call was answered */
  static register(
    settings: BudgetSettings,
    metrics: BudgetMetrics = noMetrics,
    telemetry: Partial<OnApplicationShutdown> = {},
  ): DynamicModule {
    const prefix = settings.MADAKV_BUDGET_KEY_PREFIX;
    return {
      module: BudgetModule,
      controllers: [BudgetController],
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: METRICS, useValue: metrics },
        { provide: TELEMETRY, useValue: telemetry },
        { provide: REDIS, useFactory: () => connectRedis(settings) },
        { provide: LuaScripts, useFactory: (redis: Redis) => new LuaScripts(redis), inject: [REDIS] },
        {
          provide: LEASES,
          useFactory: (scripts: LuaScripts) => new LeaseRepository(scripts, prefix, policyOf(settings)),
          inject: [LuaScripts],
        },
        { provide: DEVICES, useFactory: (redis: Redis) => new DeviceRegistry(redis, prefix), inject: [REDIS] },
        {
          provide: DEMAND,
          useFactory: (scripts: LuaScripts) =>
            new DemandRepository(scripts, prefix, settings.MADAKV_BUDGET_DEMAND_TTL_MS),
          inject: [LuaScripts],
        },
        RedisConnection,
        BudgetService,
        Gauges,
        HealthServer,
        Sweeper,
      ],
    };
  }
}

function policyOf(settings: BudgetSettings): ConstructorParameters<typeof LeaseRepository>[2] {
  return {
    leaseTtlMs: settings.MADAKV_BUDGET_LEASE_TTL_MS,
    deviceTtlMs: settings.MADAKV_BUDGET_DEVICE_TTL_MS,
    forgetMs: settings.MADAKV_BUDGET_FORGET_MS,
    retryMs: settings.MADAKV_BUDGET_RETRY_MS,
    maxRetryMs: settings.MADAKV_BUDGET_MAX_RETRY_MS,
    waitGraceMs: settings.MADAKV_BUDGET_WAIT_GRACE_MS,
    overtakeMs: settings.MADAKV_BUDGET_OVERTAKE_MS,
    tenantShares: settings.MADAKV_BUDGET_TENANT_SHARES,
  };
}
