import { SpanKind, trace, type HrTime, type Link, type Span, type Tracer } from '@opentelemetry/api';
import { SPAN_EVENTS, SPANS, type SpanEventId, type SpanId } from '@madakv/contracts';
import { named, type SpanAttributes } from './attributes.js';
import { recordError } from './span.errors.js';
import { parentContext, spanContextOf, traceparentOf } from './traceparent.js';

/** What stands in the braces of the span's name, where it has some. */
type Subject<S extends SpanId> = (typeof SPANS)[S]['name'] extends `${string}{${string}`
  ? { readonly of: string }
  : object;

export type SpanOptions<S extends SpanId> = Subject<S> & {
  readonly attributes?: SpanAttributes;
  /** Traceparent of the parent, where that is not the active span. */
  readonly parent?: string | undefined;
  /** When it began, where that was before now: milliseconds since 1970. */
  readonly startMs?: number;
  /** Starts a trace of its own. */
  readonly root?: boolean;
  /** Traceparents of spans that this one has to do with but is no part of. */
  readonly links?: readonly (string | undefined)[];
};

export interface SpanEvent {
  readonly event: SpanEventId;
  /** Milliseconds since 1970; fractions count. */
  readonly atMs: number;
  readonly attributes?: SpanAttributes;
}

export type RecordedSpan<S extends SpanId> = SpanOptions<S> & {
  /** Milliseconds since 1970; fractions count. */
  readonly startMs: number;
  readonly endMs: number;
  readonly events?: readonly SpanEvent[];
  readonly error?: unknown;
};

/** The span that `withSpan` has opened. */
export interface ActiveSpan {
  set(attributes: SpanAttributes): void;
  event(event: SpanEventId, attributes?: SpanAttributes): void;
  /** Records why it failed. What `fn` throws after that is thrown on, but not recorded instead. */
  fail(error: unknown): void;
}

const KINDS = { server: SpanKind.SERVER, producer: SpanKind.PRODUCER, internal: SpanKind.INTERNAL } as const;

/**
 * Runs `fn` in a span of the table SPANS. It is the active one for all that `fn` calls and awaits, and ends when `fn` has;
 * what `fn` throws is recorded and thrown on.
 *
 *     withSpan('chat', { of: model, attributes: { model, requestId } }, async (span) => { ... })
 */
export async function withSpan<S extends SpanId, T>(
  id: S,
  options: SpanOptions<S>,
  fn: (span: ActiveSpan) => T | Promise<T>,
): Promise<T> {
  const { name, details, parent } = describe(id, options);
  const began = options.startMs === undefined ? {} : { startTime: hrTime(options.startMs) };
  return tracer().startActiveSpan(name, { ...details, ...began }, parent, async (span) => {
    const active = new OpenSpan(span);
    try {
      return await fn(active);
    } catch (error) {
      active.fail(error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * Records a span whose times were measured elsewhere: by the engine thread, or as a wait that began in another process.
 * An end before the start (clocks of two machines) counts as the start.
 * @returns its traceparent, as the parent of others; where telemetry is off, the given parent's, if any
 */
export function recordedSpan<S extends SpanId>(id: S, options: RecordedSpan<S>): string | undefined {
  const { name, details, parent } = describe(id, options);
  const { startMs, endMs, events = [], error } = options;
  const span = tracer().startSpan(name, { ...details, startTime: hrTime(startMs) }, parent);
  for (const { event, atMs, attributes = {} } of events) {
    span.addEvent(SPAN_EVENTS[event].name, named(attributes), hrTime(atMs));
  }
  if (error !== undefined) recordError(span, error);
  span.end(hrTime(Math.max(startMs, endMs)));
  return traceparentOf(span.spanContext());
}

function tracer(): Tracer {
  return trace.getTracer('madakv');
}

function describe<S extends SpanId>(id: S, options: SpanOptions<S>) {
  const { name, kind } = SPANS[id];
  const subject = 'of' in options ? options.of : '';
  const links = (options.links ?? []).map(spanContextOf).filter((context) => context !== undefined);
  return {
    name: name.replace(/\{.*\}/, () => subject),
    details: {
      kind: KINDS[kind],
      attributes: named(options.attributes ?? {}),
      links: links.map((context): Link => ({ context })),
    },
    parent: parentContext(options.parent, options.root ?? false),
  };
}

class OpenSpan implements ActiveSpan {
  private failed = false;

  constructor(private readonly span: Span) {}

  set(attributes: SpanAttributes): void {
    this.span.setAttributes(named(attributes));
  }

  event(event: SpanEventId, attributes: SpanAttributes = {}): void {
    this.span.addEvent(SPAN_EVENTS[event].name, named(attributes));
  }

  fail(error: unknown): void {
    if (!this.failed) recordError(this.span, error);
    this.failed = true;
  }
}

/** A plain number would be taken for a time since the process started if it is small. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.floor((ms - seconds * 1_000) * 1e6)];
}
