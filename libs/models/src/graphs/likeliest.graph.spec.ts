import { cpuProvider, Tensor } from '@madakv/onnx';
import { expect, it } from 'vitest';
import { blockSize, likeliestOfBlocks } from './likeliest.graph.js';

it.each([
  [151_936, 128],
  [32_000, 160],
  [49_152, 192],
  [97, 1],
])('a vocabulary of %i tokens has blocks of %i', (vocabSize, size) => {
  expect(blockSize(vocabSize)).toBe(size);
});

it('finds the likeliest token of each block, the first of equals', async () => {
  const session = await cpuProvider(1).createSession({ bytes: likeliestOfBlocks(12) });
  const logits = Float32Array.of(1, 5, 5, -1, -3, -2, 0, 0, 0, 7, 8, 9, ...new Array<number>(12).fill(-4));
  const { likeliest } = await session.run({ logits: new Tensor('float32', logits, [2, 12]) });
  await session.release();
  expect(likeliest.dims).toEqual([2, 8]);
  expect([...(likeliest.data as Float32Array)]).toEqual([5, -1, 0, 9, 1, 0, 0, 2, -4, -4, -4, -4, 0, 0, 0, 0]);
});
