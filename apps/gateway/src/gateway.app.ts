import { SettingsError } from '@madakv/contracts';
import { persistenceProblems } from '@madakv/records';
import { openFileStore } from '@madakv/storage';
import type { Telemetry } from '@madakv/telemetry';
import { Logger, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerModule } from '@nestjs/swagger';
import helmet from 'helmet';
import { loadApiKeys } from './auth/api.keys.js';
import { GatewayModule } from './gateway.module.js';
import type { GatewaySettings } from './gateway.settings.js';
import { requestMiddleware } from './http/request.middleware.js';
import { RouteTable } from './http/route.table.js';
import { stalledConnections } from './http/stalled.connections.js';
import { openApiDocument } from './openapi/openapi.document.js';
import { servePage } from './page/page.files.js';
import { RedisConnections } from './redis.connections.js';

/** Longer than what stands in front keeps its connections, in milliseconds, so that it never uses one that is closing. */
const KEEP_ALIVE_MS = 75_000;

/** Headers that browsers may read beside the simple ones. */
const EXPOSED_HEADERS = [
  'x-request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
];

/**
 * Opens what the gateway needs and puts it together; `listen` is left to the caller.
 * @throws SettingsError, StorageError, an error of Redis: what keeps it from starting
 */
export async function createGateway(
  settings: GatewaySettings,
  telemetry: Telemetry,
  logger: LoggerService,
): Promise<NestExpressApplication> {
  const keys = await loadApiKeys(settings);
  const store = await openFileStore(settings.MADAKV_STORAGE);
  const connections = new RedisConnections(settings.MADAKV_REDIS_URL);
  try {
    await checkPersistence(settings, connections);
    const module = GatewayModule.register({ settings, keys, store, connections, telemetry });
    // Nest declares its options as a class and takes plain objects.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    const app = await NestFactory.create<NestExpressApplication>(module, { logger, bodyParser: false });
    configure(app, settings);
    return app;
  } catch (error) {
    connections.close();
    throw error;
  }
}

function configure(app: NestExpressApplication, settings: GatewaySettings): void {
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(requestMiddleware);
  const limits = { idleMs: settings.MADAKV_GATEWAY_STALL_MS, bodyMs: settings.MADAKV_GATEWAY_BODY_MS };
  app.use(stalledConnections(limits));
  // TLS ends in front of the gateway, so what belongs to it is said there.
  app.use(
    helmet({
      strictTransportSecurity: false,
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    }),
  );
  const origins = settings.MADAKV_GATEWAY_CORS_ORIGINS;
  if (origins.length > 0) {
    app.enableCors({ origin: origins.includes('*') ? '*' : origins, exposedHeaders: EXPOSED_HEADERS, maxAge: 600 });
  }
  app.use(servePage());
  const document = openApiDocument(app);
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', yamlDocumentUrl: 'openapi.yaml' });
  const routes = app.get(RouteTable);
  for (const [path, item] of Object.entries(document.paths)) routes.add(path, Object.keys(item));
  const server = app.getHttpServer();
  // Later than what this program does itself, which says why.
  server.requestTimeout = limits.bodyMs + limits.idleMs;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
}

/** Accepted jobs must outlive a restart of Redis. */
async function checkPersistence(settings: GatewaySettings, { main }: RedisConnections): Promise<void> {
  const problems = await persistenceProblems(main).catch((error: unknown) => {
    // Why it does not is logged by the connection.
    throw new SettingsError('MADAKV_REDIS_URL: Redis does not answer', { cause: error });
  });
  if (problems.length === 0) return;
  const list = problems.map((problem) => `Redis may lose accepted jobs: ${problem}`).join('\n');
  if (settings.MADAKV_ALLOW_VOLATILE_REDIS !== 'true') {
    throw new SettingsError(`${list}\nor set MADAKV_ALLOW_VOLATILE_REDIS=true to start nevertheless`);
  }
  new Logger('Redis').warn(list);
}
