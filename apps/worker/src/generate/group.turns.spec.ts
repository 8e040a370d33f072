import { describe, expect, it } from 'vitest';
import { GroupTurns } from './group.turns.js';

describe('GroupTurns', () => {
  it('lets in as many as there is room for, and one that is larger alone', () => {
    const turns = new GroupTurns(10);
    const large = turns.enter('large', 50);
    expect(large).toBeDefined();
    expect(turns.enter('small', 1)).toBeUndefined();
    large?.leave();
    expect(turns.enter('small', 1)).toBeDefined();
    expect(turns.enter('other', 9)).toBeDefined();
    expect(turns.enter('third', 1)).toBeUndefined();
  });

  it('keeps room for the one that waits first, until it is in or asks no more', () => {
    let now = 0;
    const turns = new GroupTurns(10, () => now);
    const [a, b] = [turns.enter('a', 4), turns.enter('b', 4)];
    expect(turns.enter('whole', 8)).toBeUndefined();
    // They would fit, and pass it for ever.
    expect(turns.enter('c', 2)).toBeUndefined();
    a?.leave();
    now = 500;
    expect(turns.enter('c', 2)).toBeUndefined();
    expect(turns.enter('whole', 8)).toBeUndefined();
    b?.leave();
    const whole = turns.enter('whole', 8);
    expect(whole).toBeDefined();
    expect(turns.enter('c', 2)).toBeDefined();
    expect(turns.enter('gone', 9)).toBeUndefined();
    whole?.leave();
    expect(turns.enter('d', 1)).toBeUndefined();
    now = 3_000;
    expect(turns.enter('d', 1)).toBeDefined();
  });
});
