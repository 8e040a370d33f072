import { appendFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { cpuProvider } from './cpu.provider.js';
import { preparedMatrices } from './matrix.probe.js';
import type { ModelSource } from './provider.js';

const prepare = (threads: number) => async (source: ModelSource, path: string) => {
  await cpuProvider(threads).prepare?.(source, path);
};

it('a processor packs matrices the same way every time, however many threads it has', async () => {
  expect(await preparedMatrices(prepare(2))).toBe(await preparedMatrices(prepare(1)));
  expect(await cpuProvider(2).signature()).toBe(await cpuProvider(1).signature());
});

it.each(['', '.bin'])('another way to prepare a model has another name (file%s)', async (ending) => {
  const otherwise = await preparedMatrices(async (source, path) => {
    await prepare(1)(source, path);
    appendFileSync(`${path}${ending}`, 'x');
  });
  expect(otherwise).not.toBe(await preparedMatrices(prepare(1)));
});
