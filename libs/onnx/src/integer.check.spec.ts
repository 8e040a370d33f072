import { describe, expect, it } from 'vitest';
import { cpuProvider } from './cpu.provider.js';
import { exactIntegerCodes, productsAreExact } from './integer.check.js';
import { ProviderUnavailableError, Tensor, type ExecutionProvider } from './provider.js';
import type { CodeType } from './schema.js';

const real = cpuProvider(1);

/** A processor that cuts sums off as those without instructions for 8-bit products do, with codes of some types. */
function saturating(types: readonly CodeType[], output: 'held' | 'given'): ExecutionProvider {
  return {
    ...real,
    createSession: async (source, settings) => {
      const session = await real.createSession(source, settings);
      const run: typeof session.run = async (feeds) => {
        const results = await session.run(feeds);
        if (types.includes(feeds['right'].type as CodeType)) {
          const { data, dims, type } = results[output];
          const cut = (data as Float32Array | Int32Array).map((sum) => Math.max(-1e6, Math.min(1e6, sum)));
          results[output] = new Tensor(type as 'float32', cut as Float32Array, dims);
        }
        return results;
      };
      return { ...session, run };
    },
  };
}

describe('exactIntegerCodes', () => {
  it('chooses a type with which products are exact', async () => {
    expect(await productsAreExact(real, await exactIntegerCodes(real))).toBe(true);
    expect(await real.integerCodes()).toBe(await exactIntegerCodes(real));
  });

  it('can choose unsigned codes on any processor', async () => {
    expect(await productsAreExact(real, 'uint8')).toBe(true);
  });

  it.each(['held', 'given'] as const)(
    'chooses unsigned codes where sums of signed ones are cut off (%s)',
    async (output) => {
      expect(await exactIntegerCodes(saturating(['int8'], output))).toBe('uint8');
    },
  );

  it('says what else to choose where nothing is exact', async () => {
    const answer = exactIntegerCodes(saturating(['int8', 'uint8'], 'given'));
    await expect(answer).rejects.toThrow(ProviderUnavailableError);
    await expect(answer).rejects.toThrow('instead of w8a8');
  });
});
