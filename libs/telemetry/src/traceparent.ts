import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Context,
  type SpanContext,
} from '@opentelemetry/api';

/**
 * How a trace crosses a border that no instrumentation knows, such as to the engine thread: one string, the `traceparent`
 * of W3C Trace Context (https://www.w3.org/TR/trace-context/#traceparent-header).
 */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:$|-)/;

/** Of the active span; undefined where there is none, or telemetry is off. */
export function currentTraceparent(): string | undefined {
  return traceparentOf(trace.getSpanContext(context.active()));
}

/** Of the active span: 32 hexadecimal digits. */
export function currentTraceId(): string | undefined {
  const spanContext = trace.getSpanContext(context.active());
  return spanContext !== undefined && isSpanContextValid(spanContext) ? spanContext.traceId : undefined;
}

/** Runs `fn` with that span as the active one. Without a traceparent, or with a malformed one, `fn` just runs. */
export function withTraceparent<T>(traceparent: string | undefined, fn: () => T): T {
  const parent = spanContextOf(traceparent);
  return parent === undefined ? fn() : context.with(trace.setSpanContext(context.active(), parent), fn);
}

/** Runs `fn` in the trace that the headers of a request carry, in the formats of OTEL_PROPAGATORS; W3C's by default. */
export function withHeaders<T>(headers: Readonly<Record<string, string | string[] | undefined>>, fn: () => T): T {
  return context.with(propagation.extract(context.active(), headers), fn);
}

export function traceparentOf(spanContext: SpanContext | undefined): string | undefined {
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return undefined;
  const sampled = (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0;
  return `00-${spanContext.traceId}-${spanContext.spanId}-${sampled ? '01' : '00'}`;
}

export function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  const spanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
  return isSpanContextValid(spanContext) ? spanContext : undefined;
}

/** Without a traceparent, or with a malformed one, the active span is the parent; of a root nothing is. */
export function parentContext(parent: string | undefined, root: boolean): Context {
  if (root) return ROOT_CONTEXT;
  const spanContext = spanContextOf(parent);
  return spanContext === undefined ? context.active() : trace.setSpanContext(context.active(), spanContext);
}
