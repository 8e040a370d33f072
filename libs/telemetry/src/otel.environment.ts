export type Environment = Readonly<Record<string, string | undefined>>;
export type Signal = 'traces' | 'metrics';

/**
 * The signals that the standard OTEL_* variables ask for: those with an exporter, or with an OTLP endpoint to send to.
 * OpenTelemetry's own default is an OTLP endpoint on this machine; here nothing named means nothing sent.
 */
export function signalsOf(environment: Environment): ReadonlySet<Signal> {
  if (valueOf(environment, 'OTEL_SDK_DISABLED').toLowerCase() === 'true') return new Set();
  return new Set((['traces', 'metrics'] as const).filter((signal) => isAsked(environment, signal.toUpperCase())));
}

function isAsked(environment: Environment, signal: string): boolean {
  const exporter = valueOf(environment, `OTEL_${signal}_EXPORTER`);
  if (exporter !== '') return exporter !== 'none';
  return ['OTEL_EXPORTER_OTLP_ENDPOINT', `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`].some(
    (name) => valueOf(environment, name) !== '',
  );
}

function valueOf(environment: Environment, name: string): string {
  return environment[name]?.trim() ?? '';
}
