import { expect, it } from 'vitest';
import { once } from './once.js';

it('asks once while answers come, and again after a failure', async () => {
  let asked = 0;
  const answer = once(() => (++asked === 1 ? Promise.reject(new Error('busy')) : Promise.resolve(asked)));
  await expect(answer()).rejects.toThrow('busy');
  expect(await Promise.all([answer(), answer()])).toEqual([2, 2]);
  expect(asked).toBe(2);
});
