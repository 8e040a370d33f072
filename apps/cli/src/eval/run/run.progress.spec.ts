import { describe, expect, it } from 'vitest';
import { RunProgress } from './run.progress.js';

function progress(isTTY: boolean): { bar: RunProgress; written: string[]; pass: (ms: number) => void } {
  const written: string[] = [];
  let now = 0;
  const sink = { isTTY, write: (text: string): unknown => written.push(text) };
  return { bar: new RunProgress(sink, 100, 20, () => now), written, pass: (ms) => (now += ms) };
}

describe('RunProgress', () => {
  it('draws a bar with rate and time left on a terminal, and wipes it', () => {
    const { bar, written, pass } = progress(true);
    pass(10_000);
    bar.advance(20, 'fields');
    bar.clear();
    expect(written[0]).toContain('40/100 answers, 2.0/s, 30.0 s left, fields');
    expect(written[1]).toBe('\r\x1b[K');
  });

  it('writes a line now and then elsewhere', () => {
    const { bar, written, pass } = progress(false);
    pass(500);
    bar.advance(1, 'fields');
    expect(written).toEqual([]);
    pass(10_000);
    bar.advance(1, 'fields');
    expect(written).toEqual([expect.stringMatching(/^22\/100 answers, 0\.2\/s, .* left, fields\n$/)]);
    bar.clear();
    expect(written).toHaveLength(1);
  });
});
