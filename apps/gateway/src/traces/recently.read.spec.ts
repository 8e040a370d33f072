import { expect, it } from 'vitest';
import { RecentlyRead } from './recently.read.js';

/** Reads names as what they are, and notes which were loaded. */
function reader(most: number, maxAgeMs?: number) {
  const loaded: string[] = [];
  const clock = { ms: 0 };
  const recent = new RecentlyRead<string>(
    { most, ...(maxAgeMs === undefined ? {} : { maxAgeMs }), now: () => clock.ms },
    (name) => {
      loaded.push(name);
      return Promise.resolve(name === 'none' ? undefined : name);
    },
  );
  return { recent, loaded, clock };
}

it('holds what was read last, and asks again for what is not there', async () => {
  const { recent, loaded } = reader(2);
  for (const name of ['a', 'b', 'a', 'c', 'a', 'b', 'none', 'none']) {
    expect(await recent.get(name)).toBe(name === 'none' ? undefined : name);
  }
  expect(loaded).toEqual(['a', 'b', 'c', 'b', 'none', 'none']);
});

it('holds nothing longer than it may, however often it is looked at', async () => {
  const { recent, loaded, clock } = reader(4, 600);
  await recent.get('a');
  for (clock.ms = 100; clock.ms < 600; clock.ms += 100) await recent.get('a');
  expect(loaded).toEqual(['a']);
  await recent.get('a');
  expect(loaded).toEqual(['a', 'a']);
  clock.ms = 1_100;
  await recent.get('a');
  expect(loaded).toEqual(['a', 'a']);
});

it('holds all without end where nothing else is said', async () => {
  const { recent, loaded, clock } = reader(1);
  await recent.get('a');
  clock.ms = 1e12;
  await recent.get('a');
  expect(loaded).toEqual(['a']);
});
