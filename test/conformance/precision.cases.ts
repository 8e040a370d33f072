import type { Engine, EngineOptions } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { RequestFixture } from './fixture.reader.js';
import { relativeError, request } from './engine.request.js';

/** A way to store weights or cache, and how far the first answer token's logits may be from full precision's. */
export interface PrecisionCase {
  readonly name: string;
  readonly options: Pick<EngineOptions, 'precision' | 'kvPrecision'>;
  readonly tolerance: number;
  /** Products of 8-bit codes with other codes, whose sums not every processor holds. */
  readonly usesIntegerProducts?: true;
}

const fp32 = { kind: 'fp32' } as const;

export const precisionCases: readonly PrecisionCase[] = [
  { name: 'full precision', options: { precision: fp32 }, tolerance: 1e-4 },
  { name: 'weights of 8 bits', options: { precision: { kind: 'int', bits: 8, blockSize: 32 } }, tolerance: 0.05 },
  { name: 'weights of 4 bits', options: { precision: { kind: 'int', bits: 4, blockSize: 32 } }, tolerance: 0.6 },
  { name: 'w8a8', options: { precision: { kind: 'w8a8' } }, tolerance: 0.1, usesIntegerProducts: true },
  {
    name: 'an int8 cache',
    options: { precision: fp32, kvPrecision: 'int8' },
    tolerance: 0.05,
    usesIntegerProducts: true,
  },
];

/**
 * How far an engine's first logits are from the reference's, of the largest logit; with an int8 cache from those of an engine in full
 * precision on the same rows, since the reference evicts nothing. The last prompt token is replayed, so that it reads the cache.
 */
export async function firstLogitsError(engine: Engine, exact: Engine, fixture: RequestFixture): Promise<number> {
  const prompt = await engine.model.prepare(fixture.messages, fixture.images);
  const usesCodes = engine.kvGeometry.precision === 'int8';
  const ask = request(prompt, {
    maxTokens: 1,
    wantFirstLogits: true,
    ...(usesCodes ? { policy: createPolicy('madakv'), cacheRatio: 0.5 } : {}),
  });
  const ours = (await engine.generate(ask)).firstLogits ?? new Float32Array(0);
  const expected = usesCodes
    ? ((await exact.generate(ask)).firstLogits ?? new Float32Array(0))
    : fixture.float('last_logits');
  return relativeError(ours, expected);
}
