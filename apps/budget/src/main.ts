import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import {
  BUDGET_PACKAGE,
  BUDGET_PROTO_OPTIONS,
  BUDGET_PROTO_PATH,
  parseEnvironment,
  SettingsError,
} from '@madakv/contracts';
import { openTelemetryBudgetMetrics, startTelemetry } from '@madakv/telemetry';
import { ConsoleLogger, Logger, type LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Transport, type GrpcOptions } from '@nestjs/microservices';
import { BudgetModule } from './budget.module.js';
import { BudgetSettingsSchema, type BudgetSettings } from './budget.settings.js';

/** From least to most; a level logs itself and what comes before it. */
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug'];

function readSettings(): BudgetSettings {
  try {
    return parseEnvironment(BudgetSettingsSchema, process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

const settings = readSettings();
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const telemetry = await startTelemetry({
  serviceName: 'madakv-budget',
  serviceVersion: version,
  instanceId: `${hostname()}-${process.pid}`,
});
const url = `${settings.MADAKV_BUDGET_HOST}:${settings.MADAKV_BUDGET_PORT}`;
const logLevels = LEVELS.slice(0, LEVELS.findIndex((level) => level === settings.MADAKV_LOG_LEVEL) + 1);
const options: GrpcOptions & { readonly logger: ConsoleLogger } = {
  logger: new ConsoleLogger({ json: true, logLevels }),
  transport: Transport.GRPC,
  options: {
    package: BUDGET_PACKAGE,
    protoPath: BUDGET_PROTO_PATH,
    url,
    loader: BUDGET_PROTO_OPTIONS,
    gracefulShutdown: true,
  },
};
const module = BudgetModule.register(settings, openTelemetryBudgetMetrics(), {
  onApplicationShutdown: () => telemetry.shutdown(),
});
// Nest declares its options as a class and takes plain objects.
// eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
const app = await NestFactory.createMicroservice<GrpcOptions>(module, options);
app.enableShutdownHooks();
await app.listen();
new Logger('Budget').log(`listening on ${url}`);
