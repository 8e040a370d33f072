import { startFakeOtlpCollector, type CollectedSpan, type FakeOtlpCollector } from '@madakv/testing';
import { AnsweredTraceSchema, type AnsweredTrace } from '@madakv/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, dataUrl, ended, filePart, PDF, resultsOf, submitBatch } from './requests.js';
import { MODEL, startSystem, type TestSystem } from './system.fixture.js';

const HTTP = 'POST /v1/chat/completions';
const ACQUIRE = 'madakv.budget.v1.MemoryBudget/Acquire';
const GATEWAY = 'madakv-gateway';
const BUDGET = 'madakv-budget';
const PREPARING = 'worker-1';
const GENERATING = 'worker-2';
const ANSWER_TOKENS = 4;

/** Span, its parent among these, and whose it is: a service, or one of the workers. */
const CHAT_TREE = [
  [HTTP, undefined, GATEWAY],
  ['queue prepare', HTTP, PREPARING],
  [`prepare ${MODEL}`, HTTP, PREPARING],
  ['fetch', `prepare ${MODEL}`, PREPARING],
  ['rasterise', `prepare ${MODEL}`, PREPARING],
  ['tokenise', `prepare ${MODEL}`, PREPARING],
  ['queue generate', HTTP, GENERATING],
  ['lease', HTTP, GENERATING],
  [ACQUIRE, 'lease', BUDGET],
  [`chat ${MODEL}`, HTTP, GENERATING],
  ['vision', `chat ${MODEL}`, GENERATING],
  ['prefill', `chat ${MODEL}`, GENERATING],
  ['evict', `chat ${MODEL}`, GENERATING],
  ['decode', `chat ${MODEL}`, GENERATING],
  ['finalize', HTTP, GENERATING],
] as const;
const LINE_TREE = CHAT_TREE.map(([name, parent, process]) =>
  name === HTTP
    ? (['line', undefined, PREPARING] as const)
    : ([name, parent === HTTP ? 'line' : parent, process] as const),
);

let collector: FakeOtlpCollector;
let system: TestSystem;
beforeAll(async () => {
  collector = await startFakeOtlpCollector();
  system = await startSystem({ workers: 0, environment: collector.environment });
  await Promise.all(['batch,prepare', 'generate'].map((roles) => system.addWorker({ MADAKV_WORKER_ROLES: roles })));
});
afterAll(() => Promise.all([system.stop(), collector.stop()]));

async function traceOf(id: string): Promise<AnsweredTrace> {
  const headers = { authorization: `Bearer ${system.apiKeys.acme}` };
  return AnsweredTraceSchema.parse(await (await fetch(`${system.url}/v1/requests/${id}/trace`, { headers })).json());
}

const spansOf = (traceId: string | null) => collector.spans().filter((span) => span.traceId === traceId);

/** Resolves when all of these spans have come, with the spans of the trace. */
async function complete(traceId: string | null, names: readonly string[]): Promise<readonly CollectedSpan[]> {
  await expect.poll(() => spansOf(traceId).map(({ name }) => name)).toEqual(expect.arrayContaining([...names]));
  return spansOf(traceId);
}

/** Every span of these names with the nearest span above that is one of them too, and its process. BullMQ's stand between. */
function treeOf(spans: readonly CollectedSpan[], names: ReadonlySet<string>): unknown[] {
  const parentOf = (span: CollectedSpan): CollectedSpan | undefined =>
    spans.find(({ spanId }) => spanId === span.parentSpanId);
  const nearest = (span: CollectedSpan): string | undefined => {
    const parent = parentOf(span);
    return parent === undefined || names.has(parent.name) ? parent?.name : nearest(parent);
  };
  return spans
    .filter(({ name }) => names.has(name))
    .map((span) => {
      const { 'service.name': service, 'service.instance.id': instance } = span.resource;
      return [span.name, nearest(span), service === 'madakv-worker' ? instance : service];
    });
}

/** Those whose parent is not there. */
function orphans(spans: readonly CollectedSpan[]): readonly CollectedSpan[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId));
}

function theOne(spans: readonly CollectedSpan[], wanted: string): CollectedSpan {
  const found = spans.filter(({ name }) => name === wanted);
  expect(found).toHaveLength(1);
  return found[0];
}

describe('a chat completion', () => {
  it('is one trace, from HTTP through both workers, the budget service and the engine’s thread', async () => {
    const part = filePart({ file_data: dataUrl(PDF, 'application/pdf') });
    const { id } = await system.client().chat.completions.create(ask([part, { type: 'text', text: 'Total?' }]));
    const document = await traceOf(id);
    const names = CHAT_TREE.map(([name]) => name);
    await complete(document.otelTraceId, names);
    await expect
      .poll(() => treeOf(spansOf(document.otelTraceId), new Set(names)).sort())
      .toEqual(CHAT_TREE.map((row) => [...row]).sort());
    // Nothing hangs in the air: each span's parent has come too.
    await expect.poll(() => orphans(spansOf(document.otelTraceId))).toEqual([]);
    const spans = spansOf(document.otelTraceId);
    expect(spans.filter(({ status }) => status.code === 2)).toEqual([]);

    const http = theOne(spans, HTTP);
    expect(http).toMatchObject({ kind: 2, attributes: { 'http.response.status_code': 200, 'madakv.tenant': 'acme' } });
    const chat = theOne(spans, `chat ${MODEL}`);
    const { bytes } = document.cache;
    expect(chat.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': MODEL,
      'gen_ai.request.max_tokens': ANSWER_TOKENS,
      'gen_ai.response.id': id,
      'gen_ai.response.finish_reasons': [document.finishReason],
      'gen_ai.usage.input_tokens': document.usage.promptTokens,
      'gen_ai.usage.output_tokens': ANSWER_TOKENS,
      'madakv.cache.policy': 'madakv',
      'madakv.cache.requested_ratio': 0.2,
      'madakv.cache.granted_ratio': document.cache.ratio,
      'madakv.cache.full_bytes': bytes.full,
      'madakv.cache.peak_bytes': bytes.peak,
      'madakv.cache.kept_bytes': bytes.afterEviction,
    });
    expect(chat.events.map(({ name }) => name)).toEqual(['madakv.first_token']);
    const prefill = theOne(spans, 'prefill');
    expect(prefill.events.map(({ name, attributes }) => [name, attributes['madakv.layer.rows']])).toEqual(
      document.cache.layers.map(({ rows }) => ['madakv.layer', rows]),
    );
    expect(theOne(spans, 'lease').attributes).toMatchObject({
      'madakv.lease.id': document.lease.leaseId,
      'madakv.lease.granted_bytes': document.lease.grantedBytes,
    });
    // Stages follow one another, within the request.
    const starts = ['prepare tiny', 'lease', 'vision', 'prefill', 'decode', 'finalize'].map(
      (name) => theOne(spans, name).startMs,
    );
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    for (const { startMs } of spans) expect(startMs).toBeGreaterThanOrEqual(http.startMs);
  });

  it('is counted: time, cache, waits, leases', async () => {
    const metrics = [
      ['gen_ai.server.request.duration', 'madakv-worker'],
      ['gen_ai.server.time_to_first_token', 'madakv-worker'],
      ['gen_ai.server.time_per_output_token', 'madakv-worker'],
      ['madakv.cache.full', 'madakv-worker'],
      ['madakv.cache.peak', 'madakv-worker'],
      ['madakv.cache.kept', 'madakv-worker'],
      ['madakv.cache.ratio', 'madakv-worker'],
      ['madakv.queue.wait', 'madakv-worker'],
      ['madakv.lease.wait', 'madakv-worker'],
      ['madakv.lease.operation.duration', BUDGET],
      ['madakv.device.capacity', BUDGET],
      ['madakv.device.held', BUDGET],
      ['madakv.demand.queued', BUDGET],
    ];
    await expect
      .poll(() => collector.points().map(({ metric, resource }) => [metric, resource['service.name']]))
      .toEqual(expect.arrayContaining(metrics));
    const held = () => collector.points().filter(({ metric }) => metric === 'madakv.device.held');
    await expect.poll(() => held().map(({ value }) => value)).toEqual([0]);
  });
});

describe('a batch', () => {
  it('is one trace, and each of its lines one of its own, linked to it', async () => {
    const part = filePart({ file_data: dataUrl(PDF, 'application/pdf') });
    const client = system.client();
    const lines = ['Total?', 'Date?'].map((text) => ask([part, { type: 'text', text }]));
    const { id } = await submitBatch(client, lines);
    const batch = await ended(client, id);
    const results = await resultsOf(client, batch.output_file_id);
    const traces = await Promise.all(results.map(({ response }) => traceOf(response?.request_id ?? '')));
    expect(new Set(traces.map(({ otelTraceId }) => otelTraceId)).size).toBe(lines.length);
    const roots: CollectedSpan[] = [];
    for (const [line, { otelTraceId }] of traces.entries()) {
      // Both are about one document: they are read together, and the first asks for the lease of both.
      const tree = LINE_TREE.filter(([name]) => line === 0 || name !== ACQUIRE);
      const names = tree.map(([name]) => name);
      const spans = await complete(otelTraceId, names);
      expect(treeOf(spans, new Set(names)).sort()).toEqual(tree.map((row) => [...row]).sort());
      roots.push(theOne(spans, 'line'));
    }
    const ofBatch = (): readonly CollectedSpan[] =>
      spansOf(collector.spans().find(({ name }) => name === 'POST /v1/batches')?.traceId ?? null);
    await expect
      .poll(() => ofBatch().map(({ name }) => name))
      .toEqual(expect.arrayContaining(['POST /v1/batches', 'expand', 'finalize']));
    const expand = theOne(ofBatch(), 'expand');
    expect(expand.attributes).toMatchObject({ 'madakv.batch.id': id, 'madakv.batch.lines': lines.length });
    expect(roots.map(({ links, attributes }) => [links, attributes['madakv.batch.id']])).toEqual(
      lines.map(() => [[expand.spanId], id]),
    );
    expect(roots.map(({ attributes }) => attributes['madakv.batch.line'])).toEqual([1, 2]);
    expect(ofBatch().filter(({ status }) => status.code === 2)).toEqual([]);
  });
});
