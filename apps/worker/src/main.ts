import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { parseEnvironment, SettingsError } from '@madakv/contracts';
import { connectRedis, persistenceProblems } from '@madakv/records';
import { startTelemetry } from '@madakv/telemetry';
import { ConsoleLogger, Logger, type LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { modelSource, orNoFolder } from '@madakv/hub';
import { EngineHost } from './engine/engine.host.js';
import { openEarlyHealth } from './model/early.health.js';
import { findModel } from './model/model.finding.js';
import { WorkerModule } from './worker.module.js';
import { modelIdOf, workerIdOf, WorkerSettingsSchema, type WorkerSettings } from './worker.settings.js';

/** From least to most; a level logs itself and what comes before it. */
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug'];
/** The environment, the model or Redis is not as it has to be. */
const EXIT_SETTINGS = 2;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** Time to end in order beyond the grace period, in milliseconds. */
const END_MS = 30_000;

function readSettings(): WorkerSettings {
  try {
    return parseEnvironment(WorkerSettingsSchema, process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    refuse(error.message);
  }
}

function refuse(message: string): never {
  console.error(message);
  process.exit(EXIT_SETTINGS);
}

/** A Redis that may forget would lose what was accepted. */
async function checkPersistence({ MADAKV_REDIS_URL, MADAKV_ALLOW_VOLATILE_REDIS }: WorkerSettings): Promise<void> {
  let unreachable: Error | undefined;
  const redis = connectRedis(MADAKV_REDIS_URL, { name: 'madakv-worker:check' }, (error) => {
    unreachable = error;
  });
  try {
    const problems = await persistenceProblems(redis);
    if (problems.length === 0) return;
    if (MADAKV_ALLOW_VOLATILE_REDIS === 'true') {
      for (const problem of problems) logger.warn(`Redis: ${problem}`);
      return;
    }
    refuse(
      problems
        .map((problem) => `Redis: ${problem}; or set MADAKV_ALLOW_VOLATILE_REDIS=true where losing jobs is fine`)
        .join('\n'),
    );
  } catch (error) {
    refuse(`MADAKV_REDIS_URL: Redis does not answer: ${(unreachable ?? (error as Error)).message}`);
  } finally {
    redis.disconnect();
  }
}

/** A model of the hub becomes a folder before all else starts, which is what the rest knows. */
async function withModelFolder(settings: WorkerSettings): Promise<WorkerSettings> {
  const { MADAKV_MODEL: model } = settings;
  if (model === '' || modelSource(model, process.cwd()).kind === 'folder') return settings;
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort();
  };
  for (const signal of SIGNALS) process.once(signal, stop);
  const health = await openEarlyHealth(settings);
  const listener = {
    onProgress: (progress: typeof health.pull): void => {
      health.pull = progress;
    },
    log: (text: string): void => {
      modelLogger.log(text);
    },
  };
  try {
    const folder = await findModel(model, listener, stopping.signal);
    return { ...settings, MADAKV_MODEL: folder, MADAKV_MODEL_ID: modelIdOf(settings) };
  } catch (error) {
    if (stopping.signal.aborted) process.exit(0);
    return refuse(`MADAKV_MODEL: ${(orNoFolder(error, model) as Error).message}`);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
    await health.close();
  }
}

const given = readSettings();
const levels = LEVELS.slice(0, LEVELS.findIndex((level) => level === given.MADAKV_LOG_LEVEL) + 1);
Logger.overrideLogger(new ConsoleLogger({ json: true, logLevels: levels }));
const logger = new Logger('Worker');
const modelLogger = new Logger('Model');
await checkPersistence(given);
const settings = await withModelFolder(given);

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const telemetry = await startTelemetry({
  serviceName: 'madakv-worker',
  serviceVersion: version,
  role: settings.MADAKV_WORKER_ROLES,
  instanceId: workerIdOf(settings),
});

let ending = false;
async function end(code: number): Promise<void> {
  ending = true;
  setTimeout(() => {
    logger.error('the worker does not end in order; what it holds ends with its time to live');
    process.kill(process.pid, 'SIGKILL');
  }, settings.MADAKV_GRACE_MS + END_MS).unref();
  await (await context).close();
  await telemetry.shutdown();
  process.exit(code);
}

// The model may fail to load before all else has started.
const context = NestFactory.createApplicationContext(
  WorkerModule.register(settings, {
    startEngine: (options) => EngineHost.start(options),
    onFatal: (error) => {
      logger.fatal(`the model cannot be loaded: ${error.message}`);
      void end(EXIT_SETTINGS);
    },
  }),
  // Nest declares its options as a class and takes plain objects.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  { abortOnError: false },
);
await context.catch((error: unknown) => refuse((error as Error).message));

for (const signal of SIGNALS) {
  process.on(signal, () => {
    // Whoever says it twice does not want to wait. exit() ends the engine's thread first, and ONNX Runtime aborts when that is in a run.
    if (ending) process.kill(process.pid, 'SIGKILL');
    void end(0);
  });
}
logger.log(`${workerIdOf(settings)} takes ${settings.MADAKV_WORKER_ROLES} jobs`);
