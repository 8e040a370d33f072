import { JobQueues, queueTelemetry } from '@madakv/queue';
import { AnswerEventReader, BatchControl, RecordKeys, Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import type { Telemetry } from '@madakv/telemetry';
import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { ApiKeyGuard } from './auth/api.key.guard.js';
import { ApiKeys } from './auth/api.keys.js';
import { SessionsController } from './auth/sessions.controller.js';
import { BatchesController } from './batches/batches.controller.js';
import { BatchesService } from './batches/batches.service.js';
import { IdempotencyKeys } from './batches/idempotency.keys.js';
import { BatchLinesController } from './batches/lines/batch.lines.controller.js';
import { BatchLinesService } from './batches/lines/batch.lines.service.js';
import { BatchRetry } from './batches/lines/batch.retry.js';
import { CallSignals } from './chat/call.signals.js';
import { ChatController } from './chat/chat.controller.js';
import { ChatService } from './chat/chat.service.js';
import { FilesController } from './files/files.controller.js';
import { FilesService } from './files/files.service.js';
import { InputLines } from './files/input.lines.js';
import { GatewayEnd } from './gateway.end.js';
import type { GatewaySettings } from './gateway.settings.js';
import { EVENTS, REDIS, SETTINGS, STORE, TELEMETRY } from './gateway.tokens.js';
import { HealthServer } from './health/health.server.js';
import { Shutdown } from './health/shutdown.js';
import { ErrorFilter } from './http/error.filter.js';
import { RouteGuard } from './http/route.guard.js';
import { RouteTable } from './http/route.table.js';
import { SpanInterceptor } from './http/span.interceptor.js';
import { ActiveBatches } from './limits/active.batches.js';
import { ChatTokens } from './limits/chat.tokens.js';
import { ConcurrentChats } from './limits/concurrent.chats.js';
import { RateLimitGuard } from './limits/rate.limit.guard.js';
import { StoredBytes } from './limits/stored.bytes.js';
import { TenantLimits } from './limits/tenant.limits.js';
import { ModelsController } from './models/models.controller.js';
import { OverviewController } from './overview/overview.controller.js';
import { OverviewService } from './overview/overview.service.js';
import { ResponsesController } from './responses/responses.controller.js';
import { RedisConnections } from './redis.connections.js';
import { Sweeper } from './sweeper.js';
import { TextReader } from './traces/text.reader.js';
import { TraceReader } from './traces/trace.reader.js';
import { TracesController } from './traces/traces.controller.js';
import { UploadAssembly } from './uploads/upload.assembly.js';
import { UploadLease } from './uploads/upload.lease.js';
import { UploadRemains } from './uploads/upload.remains.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsService } from './uploads/uploads.service.js';
import { UsageController } from './usage/usage.controller.js';
import { UsageService } from './usage/usage.service.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';
import { WebhooksService } from './webhooks/webhooks.service.js';

/** What is opened before the application, as its opening may fail. */
export interface GatewayParts {
  readonly settings: GatewaySettings;
  readonly keys: ApiKeys;
  readonly store: FileStore;
  readonly connections: RedisConnections;
  readonly telemetry: Telemetry;
}

@Module({})
export class GatewayModule {
  static register({ settings, keys, store, connections, telemetry }: GatewayParts): DynamicModule {
    const prefix = settings.MADAKV_KEY_PREFIX;
    const { main, patient, subscriber } = connections;
    const records = new Records(main, prefix);
    const queues = new JobQueues({
      connection: main,
      prefix,
      ...(telemetry.tracing ? { telemetry: queueTelemetry() } : {}),
    });
    return {
      module: GatewayModule,
      controllers: [
        SessionsController,
        FilesController,
        UploadsController,
        BatchesController,
        BatchLinesController,
        ChatController,
        ResponsesController,
        ModelsController,
        TracesController,
        OverviewController,
        UsageController,
        WebhooksController,
      ],
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: ApiKeys, useValue: keys },
        { provide: STORE, useValue: store },
        { provide: TELEMETRY, useValue: telemetry },
        { provide: RedisConnections, useValue: connections },
        { provide: REDIS, useValue: main },
        { provide: Records, useValue: records },
        { provide: JobQueues, useValue: queues },
        { provide: BatchControl, useValue: new BatchControl(records.batches, records.cancellations, queues) },
        { provide: EVENTS, useValue: new AnswerEventReader(patient, subscriber, new RecordKeys(prefix)) },
        {
          provide: TenantLimits,
          useValue: new TenantLimits(settings.MADAKV_GATEWAY_LIMITS, settings.MADAKV_GATEWAY_TENANT_LIMITS),
        },
        StoredBytes,
        ConcurrentChats,
        ChatTokens,
        ActiveBatches,
        InputLines,
        IdempotencyKeys,
        FilesService,
        UploadAssembly,
        UploadLease,
        UploadRemains,
        UploadsService,
        Sweeper,
        BatchesService,
        BatchLinesService,
        BatchRetry,
        TextReader,
        TraceReader,
        OverviewService,
        UsageService,
        ChatService,
        CallSignals,
        WebhooksService,
        RouteTable,
        Shutdown,
        HealthServer,
        GatewayEnd,
        // In this order: the rate is the tenant's whom the key names.
        { provide: APP_GUARD, useClass: RouteGuard },
        { provide: APP_GUARD, useClass: ApiKeyGuard },
        { provide: APP_GUARD, useClass: RateLimitGuard },
        { provide: APP_INTERCEPTOR, useClass: SpanInterceptor },
        { provide: APP_FILTER, useClass: ErrorFilter },
      ],
    };
  }
}
