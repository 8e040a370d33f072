import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Value = string | number | boolean | readonly Value[] | null;
export type CollectedAttributes = Readonly<Record<string, Value>>;

export interface CollectedEvent {
  readonly name: string;
  readonly ms: number;
  readonly attributes: CollectedAttributes;
}

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the root of a trace. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** As in OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: CollectedAttributes;
  readonly events: readonly CollectedEvent[];
  /** Span ids. */
  readonly links: readonly string[];
  /** 0 unset, 1 ok, 2 error. */
  readonly status: { readonly code: number; readonly message: string | undefined };
  readonly resource: CollectedAttributes;
}

export interface CollectedPoint {
  readonly metric: string;
  readonly unit: string;
  readonly kind: 'gauge' | 'sum' | 'histogram';
  readonly attributes: CollectedAttributes;
  /** Of a gauge or a sum; the sum of a histogram's values. */
  readonly value: number;
  /** Of a histogram: how many values, and the upper bounds of its buckets. */
  readonly count: number;
  readonly bounds: readonly number[];
  readonly resource: CollectedAttributes;
}

export interface FakeOtlpCollectorOptions {
  /** Takes requests and never answers them. */
  readonly silent?: boolean;
}

/** Stands in for an OpenTelemetry collector: takes OTLP over HTTP as JSON, on a free port of this machine. */
export interface FakeOtlpCollector {
  readonly url: string;
  /** What turns telemetry on towards this collector, sending often. */
  readonly environment: Readonly<Record<string, string>>;
  /** All spans so far, in the order in which they came. */
  spans(): readonly CollectedSpan[];
  /** The newest point of every series: cumulative ones replace what was sent before. */
  points(): readonly CollectedPoint[];
  stop(): Promise<void>;
}

export async function startFakeOtlpCollector({
  silent = false,
}: FakeOtlpCollectorOptions = {}): Promise<FakeOtlpCollector> {
  const spans: CollectedSpan[] = [];
  const points = new Map<string, CollectedPoint>();
  const server = createServer((request, response) => {
    if (silent) return;
    void take(request, response, spans, points);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
      OTEL_METRIC_EXPORT_TIMEOUT: '200',
    },
    spans: () => [...spans],
    points: () => [...points.values()],
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function take(
  request: IncomingMessage,
  response: ServerResponse,
  spans: CollectedSpan[],
  points: Map<string, CollectedPoint>,
): Promise<void> {
  if (request.headers['content-type'] !== 'application/json') {
    response.writeHead(415).end('this fake reads OTEL_EXPORTER_OTLP_PROTOCOL=http/json only');
    return;
  }
  let body = '';
  for await (const piece of request) body += String(piece);
  if (request.url === '/v1/traces') spans.push(...spansOf(JSON.parse(body) as OtlpTraces));
  else if (request.url === '/v1/metrics') {
    for (const point of pointsOf(JSON.parse(body) as OtlpMetrics)) {
      points.set(JSON.stringify([point.metric, point.attributes, point.resource['service.instance.id']]), point);
    }
  } else {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
}

// OTLP as JSON, as far as it is read here: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] };
}
type OtlpAttributes = readonly { readonly key: string; readonly value: OtlpValue }[] | undefined;
interface OtlpResource {
  readonly attributes?: OtlpAttributes;
}
interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: OtlpResource;
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: OtlpAttributes;
  readonly events?: readonly {
    readonly name: string;
    readonly timeUnixNano: string;
    readonly attributes?: OtlpAttributes;
  }[];
  readonly links?: readonly { readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}
interface OtlpMetrics {
  readonly resourceMetrics: readonly {
    readonly resource: OtlpResource;
    readonly scopeMetrics: readonly { readonly metrics: readonly OtlpMetric[] }[];
  }[];
}
type OtlpMetric = { readonly name: string; readonly unit: string } & Readonly<
  Partial<Record<CollectedPoint['kind'], { readonly dataPoints: readonly OtlpPoint[] }>>
>;
interface OtlpPoint {
  readonly attributes?: OtlpAttributes;
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly sum?: number;
  readonly count?: number | string;
  readonly explicitBounds?: readonly number[];
}

function spansOf({ resourceSpans }: OtlpTraces): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span): CollectedSpan => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
        name: span.name,
        kind: span.kind,
        startMs: msOf(span.startTimeUnixNano),
        endMs: msOf(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes),
        events: (span.events ?? []).map((event) => ({
          name: event.name,
          ms: msOf(event.timeUnixNano),
          attributes: attributesOf(event.attributes),
        })),
        links: (span.links ?? []).map((link) => link.spanId),
        status: { code: span.status?.code ?? 0, message: span.status?.message },
        resource: attributesOf(resource.attributes),
      })),
    ),
  );
}

function pointsOf({ resourceMetrics }: OtlpMetrics): CollectedPoint[] {
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) =>
        (['gauge', 'sum', 'histogram'] as const).flatMap((kind) =>
          (metric[kind]?.dataPoints ?? []).map((point): CollectedPoint => ({
            metric: metric.name,
            unit: metric.unit,
            kind,
            attributes: attributesOf(point.attributes),
            value: Number(point.asInt ?? point.asDouble ?? point.sum ?? 0),
            count: Number(point.count ?? 1),
            bounds: point.explicitBounds ?? [],
            resource: attributesOf(resource.attributes),
          })),
        ),
      ),
    ),
  );
}

function attributesOf(attributes: OtlpAttributes = []): CollectedAttributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf({ stringValue, intValue, doubleValue, boolValue, arrayValue }: OtlpValue): Value {
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(valueOf);
  if (intValue !== undefined) return Number(intValue);
  return stringValue ?? doubleValue ?? boolValue ?? null;
}

function msOf(unixNano: string): number {
  return Number(unixNano) / 1e6;
}
