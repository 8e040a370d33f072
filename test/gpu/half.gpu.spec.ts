import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodePositions, Engine, modelPrecision, type GenerationResult, type HalfOrFull } from '@madakv/engine';
import { createPolicy, type EvictionPolicy } from '@madakv/madakv';
import { openModel, type Precision } from '@madakv/models';
import { cpuProvider, ProviderUnavailableError, type ExecutionProvider } from '@madakv/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture, relativeError, request, temporaryCache } from '../conformance/engine.fixture.js';
import { checkpointNames, FIXTURES, requestFixtures } from '../conformance/fixture.reader.js';
import { findWebgpu } from './device.fixture.js';

const { provider, half } = await findWebgpu();
const cacheDir = temporaryCache();
const FP32: Precision = { kind: 'fp32' };
const POLICIES = ['madakv', 'madakv-paper', 'snapkv', 'h2o', 'look-m', 'streaming-llm'];

/** By how much the last logits of `transformers` in float16 differ from those in float32, of the largest (conformance/generate/half.py). */
const referenceErrors = JSON.parse(readFileSync(join(FIXTURES, 'half.json'), 'utf8')) as Record<string, number>;

async function load(checkpoint: string, on: ExecutionProvider, asked: HalfOrFull, weights = FP32): Promise<Engine> {
  const engine = await Engine.load(openModel(checkpoint), on, {
    ...(await modelPrecision(asked, on, weights, 'fp32')),
    cacheDir,
    chunkTokens: 37,
  });
  afterAll(() => engine.close());
  return engine;
}

/** By how much float16 may move a score, of a layer's largest. */
const SCORE_ERROR = 0.01;

/** Of five scores, `token`'s in the middle. */
function meanAround(scores: Float32Array, token: number): number {
  const around = scores.subarray(Math.max(0, token - 2), token + 3);
  return around.reduce((sum, score) => sum + score, 0) / around.length;
}

/** The policy, which also notes each layer's scores. */
function recorded(policy: EvictionPolicy, scores: Float32Array[]): EvictionPolicy {
  return {
    name: policy.name,
    observe: (prompt) => policy.observe(prompt),
    minimumTokensPerHead: (prompt) => policy.minimumTokensPerHead(prompt),
    start: (...given) => {
      const selector = policy.start(...given);
      return {
        select: (layer, importance) => {
          scores.push(importance.slice());
          return selector.select(layer, importance);
        },
      };
    },
  };
}

const positionsOf = ({ trace }: GenerationResult): unknown => trace.layers.map(({ positions }) => positions);

/** One a family, and one whose scores are near to each other. */
const SCORED = ['qwen-plain', 'qwen2-vl-plain', 'qwen3-vl-plain', 'llava-plain', 'llava-old-f16', 'qwen3-plain'];

/** Those in fewer bits have no float16 of their own to compare with. */
const compared = checkpointNames().filter((name) =>
  Object.keys(referenceErrors).some((request) => request.startsWith(`${name} `)),
);

describe.runIf(half).each(compared)('%s in fp16', (name) => {
  const requests = requestFixtures().filter((each) => each.name.startsWith(`${name} `));
  let engine: Engine;
  let exact: Engine;
  beforeAll(async () => {
    if (provider === undefined) return;
    engine = await load(requests[0].checkpoint, provider, 'fp16');
    if (SCORED.includes(name)) exact = await load(requests[0].checkpoint, cpuProvider(1), 'fp32');
  });

  it.each(requests)('is as near to fp32 as the reference in fp16: $name', async (reference) => {
    const prompt = await engine.model.prepare(reference.messages, reference.images);
    const { firstLogits } = await engine.generate(
      request(prompt, { protocol: 'plain', maxTokens: 1, wantFirstLogits: true }),
    );
    const error = relativeError(firstLogits ?? new Float32Array(0), reference.float('last_logits'));
    expect(error).toBeLessThan(referenceErrors[reference.name]);
  });

  it.each(SCORED.includes(name) ? POLICIES : [])(
    'keeps under %s what the CPU keeps in fp32, but for scores that are as good as equal',
    async (policy) => {
      const [reference] = requests;
      const prompt = await engine.model.prepare(reference.messages, reference.images);
      const [ours, theirs] = await Promise.all(
        [engine, exact].map(async (each) => {
          const scores: Float32Array[] = [];
          const ask = request(prompt, {
            policy: recorded(createPolicy(policy), scores),
            cacheRatio: 0.5,
            maxTokens: 1,
          });
          return { scores, layers: (await each.generate(ask)).trace.layers };
        }),
      );
      theirs.layers.forEach(({ positions }, layer) => {
        const [half, full] = [ours.scores[layer], theirs.scores[layer]];
        const tokens = full.length / positions.length;
        const error = half.reduce((most, score, i) => Math.max(most, Math.abs(score - full[i])), 0);
        // Scores are sums of attention weights, of one at most a query.
        expect(error).toBeLessThan(
          SCORE_ERROR * half.reduce((most, score) => Math.max(most, score), 0) + Number.EPSILON,
        );
        positions.forEach((bits, head) => {
          const scores = full.subarray(head * tokens, (head + 1) * tokens);
          const [kept, wanted] = [ours.layers[layer].positions[head], bits].map((each) => [...decodePositions(each)]);
          const missed = wanted.filter((token) => !kept.includes(token));
          const instead = kept.filter((token) => !wanted.includes(token));
          expect(kept).toHaveLength(wanted.length);
          if (missed.length === 0) return;
          // Policies compare the scores themselves, or what they are on average around a token.
          const apart = [(token: number) => scores[token], (token: number) => meanAround(scores, token)].map(
            (of) => Math.max(...missed.map(of)) - Math.min(...instead.map(of)),
          );
          expect(Math.min(...apart)).toBeLessThanOrEqual(2 * error);
        });
      });
    },
  );
});

describe.runIf(half)('with weights in fewer bits', () => {
  it.each([8, 4] as const)('fp16 keeps and answers with %d bits what fp32 does', async (bits) => {
    const pages = fixture('qwen-plain three-images');
    const weights = { kind: 'int', bits, blockSize: 32 } as const;
    const results: GenerationResult[] = [];
    for (const asked of ['fp16', 'fp32'] as const) {
      if (provider === undefined) throw new Error('no provider');
      const engine = await load(pages.checkpoint, provider, asked, weights);
      const prompt = await engine.model.prepare(pages.messages, pages.images);
      const ask = { policy: createPolicy('madakv'), cacheRatio: 0.5, maxTokens: 8, wantFirstLogits: true };
      results.push(await engine.generate(request(prompt, ask)));
    }
    const [ours, full] = results;
    expect(positionsOf(ours)).toEqual(positionsOf(full));
    expect(
      relativeError(ours.firstLogits ?? new Float32Array(0), full.firstLogits ?? new Float32Array(0)),
    ).toBeLessThan(referenceErrors['qwen-plain three-images']);
    expect(ours.tokenIds).toEqual(full.tokenIds);
  });
});

it.runIf(provider !== undefined && !half)(
  'fp16 is refused where the device lacks it, and fp32 the default',
  async () => {
    if (provider === undefined) return;
    const refused: unknown = await modelPrecision('fp16', provider, FP32, 'fp32').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ProviderUnavailableError);
    expect((refused as Error).message).toMatch(/fp16.*shader-f16.*use fp32/);
    expect(await modelPrecision(undefined, provider, FP32, 'fp32')).toEqual({
      precision: FP32,
      visionPrecision: 'fp32',
      kvPrecision: 'fp32',
    });
  },
);

it.runIf(half)('fp16 is the default where the device has it', async () => {
  if (provider === undefined) return;
  expect(await modelPrecision(undefined, provider, FP32, 'fp32')).toEqual({
    precision: { kind: 'fp16' },
    visionPrecision: 'fp16',
    kvPrecision: 'fp16',
  });
});
