import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MadakvError } from '@madakv/contracts';
import {
  answerGenerated,
  currentTraceId,
  currentTraceparent,
  leaseWaited,
  openTelemetryBudgetMetrics,
  queueWaited,
  recordedSpan,
  requestSettled,
  startTelemetry,
  withHeaders,
  withSpan,
  withTraceparent,
  type Telemetry,
} from '@madakv/telemetry';
import { startFakeOtlpCollector, type CollectedSpan, type FakeOtlpCollector } from '@madakv/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const run = promisify(execFile);

/** Runs a module on the built package in a process of its own, and returns the JSON that it prints. */
async function runAlone(source: string, environment: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...environment },
  });
  return JSON.parse(stdout);
}

describe('sent over OTLP', () => {
  let collector: FakeOtlpCollector;
  let telemetry: Telemetry;

  beforeEach(async () => {
    collector = await startFakeOtlpCollector();
    for (const [name, value] of Object.entries(collector.environment)) vi.stubEnv(name, value);
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=test');
    telemetry = await startTelemetry({
      serviceName: 'madakv-worker',
      serviceVersion: '1.2.3',
      role: 'generate',
      instanceId: 'w1',
    });
  });
  afterEach(async () => {
    await telemetry.shutdown();
    await collector.stop();
    vi.unstubAllEnvs();
  });

  async function sent(): Promise<ReadonlyMap<string, CollectedSpan>> {
    await telemetry.shutdown();
    return new Map(collector.spans().map((span) => [span.name, span]));
  }

  /** name -> name of its parent, undefined for a root. */
  function tree(spans: ReadonlyMap<string, CollectedSpan>): Record<string, string | undefined> {
    const names = new Map([...spans.values()].map((span) => [span.spanId, span.name]));
    return Object.fromEntries([...spans.values()].map((span) => [span.name, names.get(span.parentSpanId ?? '')]));
  }

  it('one trace goes from the gateway over another process to spans whose times the engine reports', async () => {
    const startMs = Date.now() - 500;
    let traceId: string | undefined;
    await withSpan('http', { of: 'POST /v1/chat/completions' }, async () => {
      traceId = currentTraceId();
      const traceparent = currentTraceparent();
      await runAlone(
        `import { startTelemetry, withTraceparent, withSpan, recordedSpan, currentTraceparent } from '@madakv/telemetry';
        const telemetry = await startTelemetry({ serviceName: 'madakv-worker', serviceVersion: '1', instanceId: 'w2' });
        await withTraceparent(${JSON.stringify(traceparent)}, async () => {
          recordedSpan('queue', { of: 'generate', startMs: ${startMs}, endMs: ${startMs} + 100.25 });
          await withSpan('chat', { of: 'm', attributes: { model: 'm', requestId: 'r' } }, async () => {
            const parent = currentTraceparent();
            const layers = [0, 1].map((layer) => ({ event: 'layer', atMs: ${startMs} + 200 + layer, attributes: { layer } }));
            recordedSpan('prefill', { parent, startMs: ${startMs} + 100, endMs: ${startMs} + 300, events: layers });
            recordedSpan('decode', { parent, startMs: ${startMs} + 300, endMs: ${startMs} + 400 });
          });
        });
        await telemetry.shutdown();
        console.log('{}');`,
        collector.environment,
      );
      await withSpan('finalize', {}, () => Promise.resolve());
    });
    const spans = await sent();
    expect(tree(spans)).toEqual({
      'POST /v1/chat/completions': undefined,
      'queue generate': 'POST /v1/chat/completions',
      'chat m': 'POST /v1/chat/completions',
      prefill: 'chat m',
      decode: 'chat m',
      finalize: 'POST /v1/chat/completions',
    });
    expect(new Set([...spans.values()].map((span) => span.traceId))).toEqual(new Set([traceId]));
    expect(spans.get('queue generate')?.startMs).toBeCloseTo(startMs, 2);
    expect(spans.get('queue generate')?.endMs).toBeCloseTo(startMs + 100.25, 2);
    expect(spans.get('chat m')?.attributes).toEqual({ 'gen_ai.request.model': 'm', 'madakv.request.id': 'r' });
    expect(spans.get('prefill')?.events.map(({ name, attributes }) => [name, attributes])).toEqual([
      ['madakv.layer', { 'madakv.layer.index': 0 }],
      ['madakv.layer', { 'madakv.layer.index': 1 }],
    ]);
    expect(spans.get('prefill')?.events[1].ms).toBeCloseTo(startMs + 201, 2);
    expect(spans.get('chat m')?.resource).toMatchObject({ 'service.instance.id': 'w2' });
    expect(spans.get('finalize')?.resource).toMatchObject({
      'service.namespace': 'madakv',
      'service.name': 'madakv-worker',
      'service.version': '1.2.3',
      'service.instance.id': 'w1',
      'madakv.role': 'generate',
      'deployment.environment.name': 'test',
    });
  });

  it('a line of a batch has a trace of its own, linked to the span that added it', async () => {
    await withSpan('expand', {}, async () => {
      const line = recordedSpan('line', {
        root: true,
        links: [currentTraceparent()],
        attributes: { batchId: 'b', batchLine: 7 },
        startMs: Date.now(),
        endMs: 0,
      });
      await withTraceparent(line, () => withSpan('prepare', { of: 'm' }, () => Promise.resolve()));
    });
    const spans = await sent();
    const [expand, line] = [spans.get('expand'), spans.get('line')];
    expect(tree(spans)).toEqual({ expand: undefined, line: undefined, 'prepare m': 'line' });
    expect(line?.traceId).not.toBe(expand?.traceId);
    expect(line?.links).toEqual([expand?.spanId]);
    expect(line?.endMs).toBe(line?.startMs);
    expect(line?.attributes).toEqual({ 'madakv.batch.id': 'b', 'madakv.batch.line': 7 });
  });

  it('the trace of whoever calls over HTTP goes on', async () => {
    const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', host: 'h' };
    await withHeaders(headers, () => withSpan('http', { of: 'GET /v1/models' }, () => Promise.resolve()));
    expect((await sent()).get('GET /v1/models')).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      kind: 2,
    });
  });

  it('an error is its code; the text of an unknown one stays out', async () => {
    const known = new MadakvError('invalid_document', 'page 3 is broken', { reason: 'broken_pdf' });
    const unknown = new TypeError('secret of the document');
    const back = Object.assign(new Error('x'), { name: 'DelayedError' });
    const throwing = (error: Error) => () => Promise.reject(error);
    await expect(withSpan('prepare', { of: 'known' }, throwing(known))).rejects.toBe(known);
    await expect(withSpan('prepare', { of: 'unknown' }, throwing(unknown))).rejects.toBe(unknown);
    await expect(withSpan('prepare', { of: 'back' }, throwing(back))).rejects.toBe(back);
    const told = withSpan('prepare', { of: 'told' }, (span) => {
      span.fail(known);
      throw unknown;
    });
    await expect(told).rejects.toBe(unknown);
    const spans = await sent();
    for (const name of ['prepare known', 'prepare told']) {
      expect(spans.get(name)).toMatchObject({
        status: { code: 2, message: 'page 3 is broken' },
        attributes: { 'error.type': 'invalid_document', 'madakv.error.reason': 'broken_pdf' },
      });
    }
    expect(spans.get('prepare unknown')).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'TypeError' },
    });
    expect(JSON.stringify([...spans.values()])).not.toContain('secret');
    expect(spans.get('prepare back')).toMatchObject({ status: { code: 0 }, attributes: {}, events: [] });
  });

  it('a loop that was blocked is seen, and a counter before it counts', async () => {
    openTelemetryBudgetMetrics();
    const valuesOf = (metric: string): readonly number[] =>
      collector.points().flatMap((point) => (point.metric === metric ? [point.value] : []));
    await expect.poll(() => valuesOf('nodejs.eventloop.delay.max')).not.toEqual([]);
    // As long work in one piece does; again and again, since a reading is of the time since the one before.
    const block = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    await expect
      .poll(() => {
        const seen = Math.max(...valuesOf('nodejs.eventloop.delay.max'));
        block();
        return seen;
      })
      .toBeGreaterThan(0.35);
    expect(valuesOf('nodejs.eventloop.delay.p50').length).toBe(valuesOf('nodejs.eventloop.delay.max').length);
    expect(valuesOf('madakv.lease.expired')).toContain(0);
  });

  it('metrics have the units, buckets and attributes of the table', async () => {
    requestSettled({ model: 'm', seconds: 2 });
    requestSettled({ model: 'm', seconds: 4, error: new MadakvError('timeout', 'late') });
    answerGenerated({
      model: 'm',
      policy: 'madakv',
      outputTokens: 11,
      firstTokenSeconds: 0.5,
      decodeSeconds: 1,
      cache: { ratio: 0.2, fullBytes: 1000, peakBytes: 300, keptBytes: 200 },
    });
    queueWaited({ kind: 'generate', model: 'm', seconds: 3 });
    leaseWaited({ model: 'm', seconds: 1 });
    await telemetry.shutdown();
    const points = collector.points().map(({ metric, unit, value, count, attributes }) => {
      return { metric, unit, value, count, attributes };
    });
    const genAi = { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'madakv', 'gen_ai.request.model': 'm' };
    const cache = { 'gen_ai.request.model': 'm', 'madakv.cache.policy': 'madakv' };
    const one = { count: 1, attributes: genAi };
    expect(points).toEqual(
      expect.arrayContaining([
        { ...one, metric: 'gen_ai.server.request.duration', unit: 's', value: 2 },
        {
          ...one,
          metric: 'gen_ai.server.request.duration',
          unit: 's',
          value: 4,
          attributes: { ...genAi, 'error.type': 'timeout' },
        },
        { ...one, metric: 'gen_ai.server.time_to_first_token', unit: 's', value: 0.5 },
        { ...one, metric: 'gen_ai.server.time_per_output_token', unit: 's', value: 0.1 },
        { ...one, metric: 'madakv.cache.full', unit: 'By', value: 1000, attributes: cache },
        { ...one, metric: 'madakv.cache.peak', unit: 'By', value: 300, attributes: cache },
        { ...one, metric: 'madakv.cache.kept', unit: 'By', value: 200, attributes: cache },
        { ...one, metric: 'madakv.cache.ratio', unit: '1', value: 0.2, attributes: cache },
        {
          ...one,
          metric: 'madakv.queue.wait',
          unit: 's',
          value: 3,
          attributes: { 'gen_ai.request.model': 'm', 'madakv.queue.kind': 'generate' },
        },
        { ...one, metric: 'madakv.lease.wait', unit: 's', value: 1, attributes: { 'gen_ai.request.model': 'm' } },
      ]),
    );
    expect(points).toHaveLength(10);
    const bounds = collector.points().find((point) => point.metric === 'gen_ai.server.time_per_output_token')?.bounds;
    expect(bounds).toEqual([0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]);
  });
});

it('a collector that does not answer keeps nothing from ending', async () => {
  const collector = await startFakeOtlpCollector({ silent: true });
  for (const [name, value] of Object.entries(collector.environment)) vi.stubEnv(name, value);
  const telemetry = await startTelemetry({ serviceName: 's', serviceVersion: '1', instanceId: 'i' });
  await withSpan('expand', {}, () => Promise.resolve());
  await telemetry.shutdown(100);
  await collector.stop();
  vi.unstubAllEnvs();
});

describe('what is loaded', () => {
  const source = `
    import { createRequire } from 'node:module';
    import { startTelemetry, withSpan, recordedSpan, requestSettled, currentTraceparent } from '@madakv/telemetry';
    const telemetry = await startTelemetry({ serviceName: 's', serviceVersion: '1', instanceId: 'i' });
    let traceparent;
    const answer = await withSpan('chat', { of: 'm' }, (span) => {
      span.set({ model: 'm' });
      span.event('firstToken');
      traceparent = currentTraceparent() ?? null;
      return 42;
    });
    const recorded = recordedSpan('decode', { startMs: 0, endMs: 1 }) ?? null;
    requestSettled({ model: 'm', seconds: 1 });
    const modules = Object.keys(createRequire(import.meta.url).cache).map((path) => path.replaceAll('\\\\', '/'));
    const sdk = modules.filter((path) => /@opentelemetry\\/(?!api\\/)/.test(path)).length;
    console.log(JSON.stringify({ sdk, tracing: telemetry.tracing, answer, traceparent, recorded }));
    process.exit();`;
  const nothing = { sdk: 0, tracing: false, answer: 42, traceparent: null, recorded: null };

  it.each([
    ['nothing is configured', {}],
    ['it is disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' }],
    ['no exporter is wanted', { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' }],
  ])('nothing where %s', async (_what, environment) => {
    expect(await runAlone(source, environment)).toEqual(nothing);
  });

  it('the SDK, with an endpoint', async () => {
    const found = await runAlone(source, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    const { sdk, tracing, traceparent } = found as { sdk: number; tracing: boolean; traceparent: string };
    expect(tracing).toBe(true);
    expect(sdk).toBeGreaterThan(10);
    expect(traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
  });
});
