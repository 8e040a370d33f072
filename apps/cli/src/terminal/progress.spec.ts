import { describe, expect, it } from 'vitest';
import { Progress } from './progress.js';

/** A progress whose clock is moved by hand. */
function progressOn(isTTY: boolean): { written: string[]; at: (ms: number, done: number) => void; clear: () => void } {
  const written: string[] = [];
  let now = 0;
  const progress = new Progress({ write: (text) => written.push(text), isTTY }, 'building', () => now);
  return {
    written,
    at: (ms, done) => {
      now = ms;
      progress.update(done, 10);
    },
    clear: () => {
      progress.clear();
    },
  };
}

describe('Progress', () => {
  it('says nothing of what is over soon', () => {
    const { written, at, clear } = progressOn(true);
    at(10, 5);
    at(500, 10);
    clear();
    expect(written).toEqual([]);
  });

  it('redraws one line on a terminal and wipes it at the end', () => {
    const { written, at, clear } = progressOn(true);
    at(1000, 3);
    at(1010, 4);
    at(1200, 5);
    clear();
    expect(written).toHaveLength(3);
    expect(written[0]).toBe(`\r\x1b[Kbuilding ${'█'.repeat(9)}${'·'.repeat(21)} 3/10 1.0 s`);
    expect(written[2]).toBe('\r\x1b[K');
  });

  it('writes a line now and then elsewhere, and one at the end', () => {
    const { written, at, clear } = progressOn(false);
    for (let second = 1; second <= 25; second++) at(second * 1000, 1);
    at(26_000, 10);
    clear();
    expect(written).toEqual([
      'building: 1 of 10, 1.0 s\n',
      'building: 1 of 10, 11.0 s\n',
      'building: 1 of 10, 21.0 s\n',
      'building: 10 of 10, 26.0 s\n',
    ]);
  });
});
