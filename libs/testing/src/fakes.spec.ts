import { describe, expect, it } from 'vitest';
import { FakeClock, SeededRandom } from './fakes.js';

it('FakeClock moves when told, either way', () => {
  const clock = new FakeClock(100);
  clock.advance(50);
  clock.advance(-120);
  expect(clock.now()).toBe(30);
});

describe('SeededRandom', () => {
  it('repeats itself for a seed and differs between seeds', () => {
    const drawn = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 5 }, random.next);
    };
    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(7)).not.toEqual(drawn(8));
  });

  it('draws whole numbers from both ends and between', () => {
    const random = new SeededRandom(1);
    const drawn = new Set(Array.from({ length: 200 }, () => random.integer(-1, 2)));
    expect([...drawn].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
  });

  it('picks from what there is', () => {
    const random = new SeededRandom(1);
    const maybe: (number | undefined)[] = [undefined];
    expect(random.pick(maybe)).toBe(undefined);
    const nothing: string[] = [];
    expect(() => random.pick(nothing)).toThrow(RangeError);
  });
});
