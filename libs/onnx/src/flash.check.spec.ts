import { expect, it } from 'vitest';
import { cpuProvider } from './cpu.provider.js';
import { flashAttentionWorks } from './flash.check.js';
import { Tensor, type ExecutionProvider, type Tensors } from './provider.js';

const cpu = cpuProvider(1);

/** The CPU's attention, with something done to what comes out. */
function spoiled(spoil: (results: Tensors, feeds: Tensors) => Tensors): ExecutionProvider {
  return {
    ...cpu,
    createSession: async (source, settings) => {
      const session = await cpu.createSession(source, settings);
      return {
        run: async (feeds) => spoil(await session.run(feeds), feeds),
        release: () => session.release(),
      };
    },
  };
}

it('takes attention for what it is', async () => {
  expect(await flashAttentionWorks(cpu)).toBe(true);
});

it('is not taken in by rows that mix the right values by the wrong weights', async () => {
  const means = spoiled((results, { v }) => {
    const [, tokens, dim] = v.dims;
    const sums = new Float32Array(dim);
    const data = (v.data as Float32Array).map((value, i) => (sums[i % dim] += value) / (Math.floor(i / dim) + 1));
    return { ...results, causal: new Tensor('float32', data, [1, tokens, dim]) };
  });
  expect(await flashAttentionWorks(means)).toBe(false);
});

it('sees a single wrong row', async () => {
  const oneRow = spoiled((results) => {
    const { data, dims } = results['full'];
    const changed = (data as Float32Array).slice();
    changed[changed.length - 1] += 0.01;
    return { ...results, full: new Tensor('float32', changed, dims) };
  });
  expect(await flashAttentionWorks(oneRow)).toBe(false);
});
