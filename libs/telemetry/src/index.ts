export { type AttributeValue, type SpanAttributes } from './attributes.js';
export * from './budget.metrics.js';
export { count, observe, record, type MetricAttributes, type Observe } from './instruments.js';
export * from './memory.metrics.js';
export * from './request.metrics.js';
export { errorTypeOf } from './span.errors.js';
export * from './spans.js';
export * from './telemetry.js';
export { currentTraceId, currentTraceparent, withHeaders, withTraceparent } from './traceparent.js';
