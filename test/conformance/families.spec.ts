import { decodePositions, type Engine, type GenerationResult } from '@madakv/engine';
import { createPolicy, policies } from '@madakv/madakv';
import { families, hasVisionGraph, openModel, type PreparedPrompt } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadEngine, request, temporaryCache } from './engine.fixture.js';
import { requestFixtures, type RequestFixture } from './fixture.reader.js';
import { firstLogitsError, precisionCases } from './precision.cases.js';

const RATIO = 0.2;
const cacheDir = temporaryCache();
/** Every policy that can do with less than the full cache. */
const reducing = Object.keys(policies).filter((name) => name !== 'full');
const longest = longestByFamily();

it('every family is here, and has a vision graph if it has an image processor', () => {
  expect([...longest.keys()].sort()).toEqual([...families.keys()].sort());
  for (const [type, family] of families) {
    expect(family.modelType).toBe(type);
    expect(hasVisionGraph(type)).toBe(family.imageProcessor !== undefined);
  }
});

describe.each([...longest])('%s', (_family, fixture) => {
  let engine: Engine;
  let prompt: PreparedPrompt;
  beforeAll(async () => {
    engine = await loadEngine(fixture.checkpoint, cacheDir, { chunkTokens: 31 });
    prompt = await engine.model.prepare(fixture.messages, fixture.images);
  });

  it.each(reducing)('keeps a fifth by %s, layer by layer as after the whole prefill', async (name) => {
    const usual = await loadEngine(fixture.checkpoint, cacheDir, { chunkTokens: 31, prefillOrder: 'chunk' });
    const ask = request(prompt, { policy: createPolicy(name), cacheRatio: RATIO, wantFirstLogits: true });
    const [ours, theirs] = [await engine.generate(ask), await usual.generate(ask)];
    expect(ours.firstLogits).toEqual(theirs.firstLogits);
    expect(ours.tokenIds).toEqual(theirs.tokenIds);
    expect(ours.trace.layers).toEqual(theirs.trace.layers);
    expectWithin(ours, prompt);
  });

  it('keeps the question first', async () => {
    const policy = createPolicy('madakv', { questionCap: 0.5 });
    // A question that is the whole text is more than any share of it.
    const ratio = Math.min(1, (4 * (prompt.question.end - prompt.question.start)) / prompt.inputIds.length);
    const { trace } = await engine.generate(request(prompt, { policy, cacheRatio: Math.max(RATIO, ratio) }));
    const { start, end } = prompt.question;
    const question = Array.from({ length: end - 1 - start }, (_, i) => start + i).filter((at) => !isVisual(prompt, at));
    for (const { positions } of trace.layers) {
      for (const head of positions) {
        const kept = [...decodePositions(head)];
        if (ratio < 1) expect(kept).toEqual(expect.arrayContaining(question));
        else expect(kept.length).toBeGreaterThan(0);
      }
    }
  });

  it.each(precisionCases)('$name stays near full precision', async ({ options, tolerance }) => {
    const rounded = await loadEngine(fixture.checkpoint, cacheDir, options, cpuProvider(1));
    // The bounds are those of one checkpoint; how much rounding does depends on the weights. A wrong graph is off by more than all of it.
    expect(await firstLogitsError(rounded, engine, fixture)).toBeLessThan(1.5 * tolerance);
  });
});

/** The longest request of each family's first checkpoint that is not quantised already, and so of any precision. */
function longestByFamily(): Map<string, RequestFixture> {
  const found = new Map<string, RequestFixture>();
  for (const fixture of requestFixtures()) {
    const { config, weights } = openModel(fixture.checkpoint);
    const { family } = config;
    const known = found.get(family);
    if (weights.packing !== undefined) continue;
    if (known !== undefined && known.checkpoint !== fixture.checkpoint) continue;
    if (fixture.expected.prompt_tokens > (known?.expected.prompt_tokens ?? 0)) found.set(family, fixture);
  }
  return found;
}

function isVisual({ segments }: PreparedPrompt, token: number): boolean {
  return segments.some(({ start, end, modality }) => modality === 'visual' && token >= start && token < end);
}

/** What a layer keeps are rows of the prompt, in order, and together not more than the share. */
function expectWithin({ trace }: GenerationResult, { inputIds }: PreparedPrompt): void {
  const tokens = inputIds.length;
  const rows = trace.layers.reduce((sum, layer) => sum + layer.rows, 0);
  expect(rows).toBeLessThanOrEqual(RATIO * tokens * trace.layers.length);
  for (const { positions } of trace.layers) {
    for (const head of positions) {
      const kept = [...decodePositions(head)];
      expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
      expect(kept.at(-1)).toBeLessThan(tokens);
    }
  }
}
