import 'reflect-metadata';
import { parseEnvironment, SettingsError } from '@madakv/contracts';
import { startTelemetry } from '@madakv/telemetry';
import { ConsoleLogger, Logger, type LogLevel } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { createGateway } from './gateway.app.js';
import { GatewaySettingsSchema, type GatewaySettings } from './gateway.settings.js';

/** From least to most; a level logs itself and what comes before it. */
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug'];

function refuse(error: unknown): never {
  console.error(error instanceof SettingsError ? error.message : String(error));
  process.exit(2);
}

function readSettings(): GatewaySettings {
  try {
    return parseEnvironment(GatewaySettingsSchema, process.env);
  } catch (error) {
    return refuse(error);
  }
}

const settings = readSettings();
const { MADAKV_GATEWAY_HOST: host, MADAKV_GATEWAY_PORT: port } = settings;
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const telemetry = await startTelemetry({
  serviceName: 'madakv-gateway',
  serviceVersion: version,
  instanceId: `${hostname()}-${process.pid}`,
});
const logLevels = LEVELS.slice(0, LEVELS.findIndex((level) => level === settings.MADAKV_LOG_LEVEL) + 1);
const logger = new ConsoleLogger({ json: true, logLevels });
Logger.overrideLogger(logger);
const app = await createGateway(settings, telemetry, logger).catch(refuse);
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(port, host).catch(refuse);
logger.log(`listening on http://${host}:${port}, API at /docs`, 'Gateway');
