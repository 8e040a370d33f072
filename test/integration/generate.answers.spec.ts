import { createPolicy } from '@madakv/madakv';
import { openModel } from '@madakv/models';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Engine, type GenerationResult } from '@madakv/engine';
import { cpuProvider } from '@madakv/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChatCompletion } from '@madakv/contracts';
import { TestServices, type RunningService } from './budget.services.js';
import { CHECKPOINT, DEVICE, WorkerBench } from './worker.bench.js';

const page = readFileSync(fileURLToPath(new URL('../conformance/fixtures/images/page.png', import.meta.url)));
const services = new TestServices();

describe('answers through the system', () => {
  let bench: WorkerBench;
  let budget: RunningService;

  beforeAll(async () => {
    budget = await services.start(services.fresh());
    bench = await WorkerBench.open({ redisUrl: services.redis.url, budgetPort: budget.port });
    await bench.startWorker();
  });
  afterAll(() => bench.close());

  it('equal the engine’s own on the same request, and the bytes of the trace are the engine’s and the lease’s', async () => {
    const question = 'What is the total?';
    const url = `data:image/png;base64,${page.toString('base64')}`;
    const job = await bench.chat({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url } },
            { type: 'text', text: question },
          ],
        },
      ],
      max_tokens: 16,
      madakv: { cache_ratio: 0.4 },
    });
    await expect.poll(() => bench.answerOf(job)).toBeDefined();
    const answer = await bench.answerOf(job);
    const trace = await bench.traceOf(job);
    const own = await engineAnswer(question, trace.cache.ratio);
    expect(answer).toMatchObject({ status: 200, customId: null });
    const { choices, usage, madakv } = answer?.body as ChatCompletion;
    expect(choices[0].message.content).toBe(own.text);
    expect(choices[0].finish_reason).toBe(own.finishReason);
    expect(usage).toMatchObject({
      prompt_tokens: own.usage.promptTokens,
      completion_tokens: own.usage.completionTokens,
    });
    expect(trace.cache.layers.map(({ positions }) => positions)).toEqual(own.trace.layers.map((l) => l.positions));
    expect(trace.cache.bytes).toEqual(own.trace.bytes);
    expect(madakv.bytes).toEqual({
      full: own.trace.bytes.full,
      peak: own.trace.bytes.peak,
      kept: own.trace.bytes.afterEviction,
    });
    const [granted, resized, released] = trace.lease.events;
    const { peak, afterEviction, final } = trace.cache.bytes;
    expect(granted).toMatchObject({ event: 'granted' });
    expect(peak).toBeLessThanOrEqual(granted.bytes);
    expect(peak).toBeGreaterThan(0.9 * granted.bytes);
    expect(afterEviction).toBeLessThanOrEqual(trace.lease.grantedBytes);
    // The answer is as long as it may be, so what it may take at most is what it takes.
    expect(resized).toMatchObject({ event: 'resized', bytes: final });
    expect(released).toMatchObject({ event: 'released', bytes: 0 });
    expect(trace).toMatchObject({ id: job.requestId, device: DEVICE, attempt: 1, batchId: null });
    expect(trace.images).toMatchObject([{ part: 'messages.0.content.0.image_url', page: null }]);
  });

  async function engineAnswer(question: string, cacheRatio: number): Promise<GenerationResult> {
    const model = openModel(CHECKPOINT, { specialTokensInText: 'text' });
    const engine = await Engine.load(model, cpuProvider(1), {
      precision: { kind: 'fp32' },
      cacheDir: `${bench.folder}/cache`,
    });
    const content = [
      { type: 'image_url' as const, image_url: { url: '' } },
      { type: 'text' as const, text: question },
    ];
    const prompt = await model.prepare([{ role: 'user', content }], [page]);
    try {
      return await engine.generate({ prompt, policy: createPolicy('madakv'), cacheRatio, maxTokens: 16 });
    } finally {
      await engine.close();
    }
  }
});
