import type { Engine, GenerationEvent, KvPrecision } from '@madakv/engine';
import { createPolicy, policies } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import { generationSettings, grantedRatio, planGeneration } from '@madakv/requests';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, loadEngine, temporaryCache } from './engine.fixture.js';

/** What a request is granted by its lease is never exceeded by what the engine allocates, whatever the request. */
const cacheDir = temporaryCache();
const pages = fixture('qwen-plain three-images');
const text = fixture('llava-plain text');

/** Answers that end within a step of the tail, at one, at a fold, behind it, and at the second. */
const LENGTHS = [1, 2, 9, 63, 64, 65, 130];

interface Case {
  readonly name: 'pages' | 'a few words' | 'a text';
  readonly policy: string;
  readonly ratio: number;
  readonly maxTokens: readonly number[];
}

const everyPolicy = Object.keys(policies).map((policy): Case => {
  return { name: 'pages', policy, ratio: policy === 'full' ? 1 : 0.3, maxTokens: [1, 66] };
});
const everyLength = (['pages', 'a few words', 'a text'] as const).flatMap((name) =>
  [0.12, 0.75, 1].map((ratio): Case => ({ name, policy: 'madakv', ratio, maxTokens: LENGTHS })),
);

describe.each<{ kvPrecision: KvPrecision; cases: readonly Case[] }>([
  { kvPrecision: 'fp32', cases: [...everyPolicy, ...everyLength] },
  { kvPrecision: 'int8', cases: everyLength },
])('a lease for a cache in $kvPrecision', ({ kvPrecision, cases }) => {
  let vision: Engine;
  let language: Engine;
  const prompts = new Map<string, { engine: Engine; prompt: PreparedPrompt }>();
  beforeAll(async () => {
    vision = await loadEngine(pages.checkpoint, cacheDir, { chunkTokens: 31, kvPrecision });
    language = await loadEngine(text.checkpoint, cacheDir, { chunkTokens: 31, kvPrecision });
    const say = (engine: Engine, words: string) => engine.model.prepare([{ role: 'user', content: words }], []);
    prompts.set('pages', { engine: vision, prompt: await vision.model.prepare(pages.messages, pages.images) });
    prompts.set('a few words', { engine: vision, prompt: await say(vision, 'Hi') });
    prompts.set('a text', { engine: language, prompt: await say(language, 'How long is this? '.repeat(20)) });
  });

  it.each(cases)('holds $name under $policy at $ratio', async ({ name, policy, ratio, maxTokens: lengths }) => {
    const { engine, prompt } = prompts.get(name) ?? { engine: vision, prompt: undefined };
    if (prompt === undefined) throw new Error(`no prompt ${name}`);
    const model = { decoder: engine.model.config.decoder, kv: engine.kvGeometry };
    for (const [i, maxTokens] of lengths.entries()) {
      const protocol = i % 3 === 2 ? 'plain' : 'replay';
      const settings = { ...generationSettings({ max_tokens: maxTokens }, { policy, cacheRatio: ratio, protocol }) };
      // Short prompts cannot do with a small share; the plan says what they can do with.
      const plan = planGeneration(prompt, { ...settings, ratioRequested: false }, model);
      const { need } = plan;
      const transient = need.peakBytes - need.targetBytes;
      const between = Math.floor((need.minBytes + need.targetBytes) / 2);
      for (const granted of [need.minBytes, [between, need.targetBytes][i % 2]]) {
        const events: GenerationEvent[] = [];
        const { trace } = await engine.generate(
          {
            prompt,
            policy: createPolicy(policy),
            cacheRatio: grantedRatio(granted, plan),
            maxTokens,
            protocol,
            stopIds: [],
          },
          { onEvent: (event) => events.push(event) },
        );
        const { peak, afterEviction, final } = trace.bytes;
        expect(peak).toBeLessThanOrEqual(granted + transient);
        expect(afterEviction).toBeLessThanOrEqual(granted);
        const evicted = events.find((event) => event.kind === 'evicted');
        expect(evicted?.bytes).toBe(afterEviction);
        expect(evicted?.maxBytes).toBeLessThanOrEqual(granted + transient);
        expect(final).toBeLessThanOrEqual(evicted?.maxBytes ?? 0);
        // Prefill's peak is one layer in full; a higher one is the answer's.
        const layer = prompt.inputIds.length * (engine.kvBytesPerToken / trace.layers.length);
        if (peak > layer + afterEviction) expect(peak).toBeLessThanOrEqual(evicted?.maxBytes ?? 0);
      }
      expect(engine.kvBytes).toBe(0);
    }
  });

  it('is not asked for more than is used, where the grant is used up', async () => {
    const { engine, prompt } = prompts.get('pages') ?? { engine: vision, prompt: undefined };
    if (prompt === undefined) throw new Error('no prompt');
    const settings = generationSettings({ max_tokens: 1 }, { policy: 'snapkv', cacheRatio: 0.5 });
    const plan = planGeneration(prompt, settings, { decoder: engine.model.config.decoder, kv: engine.kvGeometry });
    const { trace } = await engine.generate({ prompt, policy: createPolicy('snapkv'), cacheRatio: 0.5, maxTokens: 1 });
    expect(trace.bytes.peak).toBeGreaterThan(0.95 * plan.need.peakBytes);
    expect(trace.bytes.full * (kvPrecision === 'fp32' ? 1 : (16 + 4) / 64)).toBe(plan.need.fullBytes);
  });
});
