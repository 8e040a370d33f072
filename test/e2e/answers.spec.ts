import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChatCompletionSchema, AnsweredTraceSchema, type AnsweredTrace } from '@madakv/contracts';
import { PdfRasteriser } from '@madakv/documents';
import { Engine, type GenerationResult } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import { openModel, type OpenModel } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { parse } from 'csv-parse/sync';
import type { OpenAI } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMadakv } from './madakv.process.js';
import { ask, dataUrl, ended, filePart, PDF, PNG, resultsOf, submitBatch } from './requests.js';
import { DEMO, MODEL, startSystem, type TestSystem } from './system.fixture.js';

const QUESTION = 'What is the total?';
const CACHE_RATIO = 0.4;
const ANSWER_TOKENS = 16;
const PAGE_DPI = 140;
const LINES = 12;

type Row = Readonly<Record<string, string>>;

let system: TestSystem;
let client: OpenAI;
let model: OpenModel;
let engine: Engine;
beforeAll(async () => {
  // Few at a time, so that no worker can take a whole batch before the other one looks.
  system = await startSystem({ workers: 2, environment: { MADAKV_CONCURRENCY: '2', MADAKV_PREPARE_CONCURRENCY: '1' } });
  client = system.client();
  model = openModel(system.checkpoint, { specialTokensInText: 'text' });
  engine = await Engine.load(model, cpuProvider(1), {
    precision: { kind: 'fp32' },
    cacheDir: join(system.folder, 'own models'),
  });
});
afterAll(async () => {
  await Promise.all([engine.close(), system.stop()]);
});

async function traceOf(id: string): Promise<AnsweredTrace> {
  const response = await fetch(`${system.url}/v1/requests/${id}/trace`, {
    headers: { authorization: `Bearer ${system.apiKeys.acme}` },
  });
  return AnsweredTraceSchema.parse(await response.json());
}

/** The pages as a worker is to draw them. */
async function pagesOf(pdf: Buffer): Promise<Buffer[]> {
  const rasteriser = new PdfRasteriser();
  const { multipleOf, maxPixels } = model.pages;
  const rules = { dpi: PAGE_DPI, multipleOf };
  const pages: Buffer[] = [];
  try {
    const drawn = rasteriser.rasterise(pdf, {
      ...rules,
      ...(maxPixels === undefined ? {} : { maxPixelsPerPage: maxPixels }),
    });
    for await (const { bytes } of drawn) pages.push(Buffer.from(bytes));
  } finally {
    rasteriser.close();
  }
  return pages;
}

/** What the engine says by itself to images and a question. */
async function engineAnswer(images: readonly Buffer[], cacheRatio: number): Promise<GenerationResult> {
  const parts = images.map(() => ({ type: 'image_url' as const, image_url: { url: '' } }));
  const content = [...parts, { type: 'text' as const, text: QUESTION }];
  const prompt = await model.prepare([{ role: 'user', content }], images);
  return engine.generate({ prompt, policy: createPolicy('madakv'), cacheRatio, maxTokens: ANSWER_TOKENS });
}

describe('an answer through the system', () => {
  it.each([
    [
      'an image',
      () => ({ type: 'image_url' as const, image_url: { url: dataUrl(PNG, 'image/png') } }),
      () => [readFileSync(PNG)],
    ],
    ['a PDF', () => filePart({ file_data: dataUrl(PDF, 'application/pdf') }), () => pagesOf(readFileSync(PDF))],
  ])('about %s is the engine’s own, and the bytes of its trace are the lease’s', async (_what, part, images) => {
    const madakv = { madakv: { cache_ratio: CACHE_RATIO, min_cache_ratio: CACHE_RATIO } };
    const answer = ChatCompletionSchema.parse(
      await client.chat.completions.create({
        ...ask([part(), { type: 'text', text: QUESTION }], { max_completion_tokens: ANSWER_TOKENS }),
        ...madakv,
      }),
    );
    const trace = await traceOf(answer.id);
    const own = await engineAnswer(await images(), trace.cache.ratio);
    expect(answer.choices[0].message.content).toBe(own.text);
    expect(answer.choices[0].finish_reason).toBe(own.finishReason);
    expect(answer.usage).toMatchObject({
      prompt_tokens: own.usage.promptTokens,
      completion_tokens: own.usage.completionTokens,
    });
    expect(trace.cache.layers.map(({ positions }) => positions)).toEqual(own.trace.layers.map((l) => l.positions));
    expect(trace.cache.bytes).toEqual(own.trace.bytes);
    expect(answer.madakv.bytes).toEqual({
      full: own.trace.bytes.full,
      peak: own.trace.bytes.peak,
      kept: own.trace.bytes.afterEviction,
    });

    const { grantedBytes, events } = trace.lease;
    const [granted, resized, released] = events;
    const { peak, afterEviction, final } = trace.cache.bytes;
    expect(events.map(({ event }) => event)).toEqual(['granted', 'resized', 'released']);
    expect(peak).toBeLessThanOrEqual(granted.bytes);
    expect(afterEviction).toBeLessThanOrEqual(grantedBytes);
    // An answer that is as long as it may be takes what it may take at most.
    if (own.finishReason === 'length') expect(resized.bytes).toBe(final);
    else expect(resized.bytes).toBeGreaterThanOrEqual(final);
    expect(released.bytes).toBe(0);
    expect((await system.budgetClient.call('list', {})).devices.flatMap(({ leases }) => leases)).toEqual([]);
  });

  it('is the same whether the question stands in front of its document or behind it', async () => {
    const document = filePart({ file_data: dataUrl(PDF, 'application/pdf') });
    const question = { type: 'text' as const, text: QUESTION };
    const asked = async (content: Parameters<typeof ask>[0], layout: 'auto' | 'as_given') => {
      const { id, choices } = await client.chat.completions.create({
        ...ask(content, { max_completion_tokens: ANSWER_TOKENS }),
        ...{ madakv: { layout } },
      });
      return {
        text: choices[0].message.content,
        kept: (await traceOf(id)).cache.layers.map((layer) => layer.positions),
      };
    };
    const behind = await asked([document, question], 'auto');
    expect(await asked([question, document], 'auto')).toEqual(behind);
    expect((await asked([question, document], 'as_given')).kept).not.toEqual(behind.kept);
  });

  it('has a trace of its tenant’s alone, which `madakv trace` draws', async () => {
    const { id } = await client.chat.completions.create(ask(QUESTION));
    const foreign = await fetch(`${system.url}/v1/requests/${id}/trace`, {
      headers: { authorization: `Bearer ${system.apiKeys.globex}` },
    });
    expect(foreign.status).toBe(404);
    const trace = await traceOf(id);
    const { code, stdout } = await runMadakv(system, ['trace', id]);
    expect(code).toBe(0);
    expect(stdout).toContain(`${id}   ${MODEL}   `);
    for (const { layer } of trace.cache.layers) expect(stdout).toMatch(new RegExp(`^ *${layer} `, 'm'));
    expect(JSON.parse((await runMadakv(system, ['trace', id, '--json'])).stdout)).toEqual(trace);
  });
});

describe('two workers that share nothing but Redis and the files', () => {
  it('answer a batch together, each line once', async () => {
    const bodies = Array.from({ length: LINES }, (_, i) =>
      ask([{ type: 'text', text: `Question ${i}` }, filePart({ file_data: dataUrl(PDF, 'application/pdf') })], {
        max_completion_tokens: 200,
      }),
    ).map((body, i) => ({
      ...body,
      // What differs before the document keeps them from being read together.
      messages: [{ role: 'system' as const, content: `Line ${i}` }, ...body.messages],
    }));
    const { id } = await submitBatch(client, bodies);
    const batch = await ended(client, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: LINES, completed: LINES, failed: 0 } });
    const results = await resultsOf(client, batch.output_file_id);
    expect(results.map(({ custom_id }) => custom_id)).toEqual(bodies.map((_, i) => `c${i + 1}`));
    expect(new Set(results.map(({ response }) => response?.body['id'])).size).toBe(LINES);
    const traces = await Promise.all(results.map(({ response }) => traceOf(response?.request_id ?? '')));
    expect([...new Set(traces.map(({ worker }) => worker))].sort()).toEqual(['worker-1', 'worker-2']);
    expect(traces.map(({ attempt, batchId }) => [attempt, batchId])).toEqual(traces.map(() => [1, id]));
  });
});

it('the questions of the demo: `madakv batch run` answers all of them, in order', async () => {
  const args = [
    'batch',
    'run',
    DEMO,
    '--questions',
    join(DEMO, 'questions.csv'),
    '-o',
    'answers.csv',
    '--max-tokens',
    '4',
  ];
  const { code, stderr } = await runMadakv(system, args);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('28 of 28 answered') as string });
  const rowsOf = (path: string): Row[] => parse(readFileSync(path), { columns: true });
  const questions = rowsOf(join(DEMO, 'questions.csv'));
  const answers = rowsOf(join(system.folder, 'answers.csv'));
  expect(questions).toHaveLength(28);
  const asked = ({ custom_id, file, question }: Row) => [custom_id, file, question];
  expect(answers.map(asked)).toEqual(questions.map(asked));
  for (const { answer, error, bytes_full, bytes_kept } of answers) {
    expect(error).toBe('');
    expect(answer).not.toBe('');
    expect(Number(bytes_kept)).toBeLessThan(Number(bytes_full));
  }
});
