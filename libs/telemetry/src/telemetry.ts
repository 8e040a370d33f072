import { context, diag, metrics, propagation, trace } from '@opentelemetry/api';
import { observeEventLoop } from './event.loop.metrics.js';
import { signalsOf } from './otel.environment.js';

export interface TelemetryOptions {
  /** `madakv-worker`; OTEL_SERVICE_NAME goes before it. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Which of a process's roles it has, such as `prepare,generate`. */
  readonly role?: string;
  /** Which of several such processes it is. */
  readonly instanceId: string;
}

export interface Telemetry {
  /** Whether spans go anywhere. Where they do not, BullMQ need not be told of telemetry at all. */
  readonly tracing: boolean;
  /**
   * Sends what is not sent yet, for `timeoutMs` at most (5 s by default), and ends. Never rejects: what a collector
   * does not take must not keep a process from ending in order. What hangs may keep timers; a process that must not
   * outlive this calls `process.exit`.
   */
  shutdown(timeoutMs?: number): Promise<void>;
}

const OFF: Telemetry = { tracing: false, shutdown: () => Promise.resolve() };

/**
 * Starts OpenTelemetry as the standard OTEL_* variables say. Where they name no exporter and no endpoint, the SDK is not
 * even loaded, and spans and instruments are the API's no-ops. Call it before anything that makes spans, once a process.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const signals = signalsOf(process.env);
  if (signals.size === 0) return OFF;
  const { NodeSDK, resources } = await import('@opentelemetry/sdk-node');
  const sdk = new NodeSDK({
    // Beneath what OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say.
    resource: resources.defaultResource().merge(resources.resourceFromAttributes(resourceOf(options))),
    logRecordProcessors: [],
    ...(!signals.has('traces') && { spanProcessors: [] }),
    ...(!signals.has('metrics') && { metricReaders: [] }),
  });
  sdk.start();
  const endEventLoop = signals.has('metrics') ? observeEventLoop() : undefined;
  let ending: Promise<void> | undefined;
  return {
    tracing: signals.has('traces'),
    shutdown: (timeoutMs = 5_000) => (ending ??= end(sdk, timeoutMs).finally(() => endEventLoop?.())),
  };
}

function resourceOf({ serviceName, serviceVersion, role, instanceId }: TelemetryOptions): Record<string, string> {
  return {
    'service.namespace': 'madakv',
    'service.name': serviceName,
    'service.version': serviceVersion,
    'service.instance.id': instanceId,
    ...(role !== undefined && { 'madakv.role': role }),
  };
}

async function end(sdk: { shutdown(): Promise<void> }, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      diag.warn(`telemetry: not all was sent within ${timeoutMs} ms`);
      resolve();
    }, timeoutMs);
  });
  const sent = sdk.shutdown().catch((error: unknown) => {
    diag.warn('telemetry: not all was sent', error);
  });
  await Promise.race([sent, late]);
  clearTimeout(timer);
  for (const api of [trace, metrics, context, propagation]) api.disable();
}
