import { expect, it } from 'vitest';
import { signalsOf } from './otel.environment.js';

it.each([
  ['nothing', {}, []],
  ['empty values', { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_TRACES_EXPORTER: ' ' }, []],
  ['only how to send', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_SERVICE_NAME: 'a' }, []],
  ['an endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, ['traces', 'metrics']],
  ['an endpoint for traces', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/v1/traces' }, ['traces']],
  ['an endpoint for metrics', { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c/v1/metrics' }, ['metrics']],
  ['an exporter', { OTEL_METRICS_EXPORTER: 'prometheus' }, ['metrics']],
  [
    'an endpoint, and no metrics',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_METRICS_EXPORTER: 'none' },
    ['traces'],
  ],
  ['all off', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_SDK_DISABLED: 'TRUE' }, []],
])('%s', (_what, environment, signals) => {
  expect([...signalsOf(environment)]).toEqual(signals);
});
