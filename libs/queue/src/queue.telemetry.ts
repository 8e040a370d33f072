import type { Telemetry } from 'bullmq';
import { BullMQOtel } from 'bullmq-otel';

/** Carries the trace of whoever adds a job to whoever works on it. Costs nothing where OpenTelemetry is off. */
export function queueTelemetry(): Telemetry {
  return new BullMQOtel({ tracerName: 'madakv' });
}
