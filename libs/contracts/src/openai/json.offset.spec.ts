import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonErrorOffset } from './json.offset.js';

/** The same by trying: JSON.parse of a beginning complains of its end, of anything else at another place. */
function byTrying(text: string): number {
  for (let length = 1; length <= text.length; length++) if (!isBeginning(text.slice(0, length))) return length - 1;
  return text.length;
}

function isBeginning(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = /at position (\d+)/.exec(message);
    if (position !== null) return Number(position[1]) >= prefix.length;
    return message.startsWith('Unexpected end');
  }
}

describe('jsonErrorOffset', () => {
  it.each([
    ['-', 1],
    ['-a', 1],
    ['01', 1],
    ['1.', 2],
    ['1.e5', 2],
    ['1e', 2],
    ['1e+}', 3],
    ['[1,]', 3],
    ['[,1]', 1],
    ['{"a":1,}', 7],
    ['{"a"}', 4],
    ['{"a":}', 5],
    ['{,}', 1],
    ['[}', 1],
    ['{]', 1],
    ['1 2', 2],
    ['nul', 3],
    ['nulL', 3],
    ['"\\x"', 2],
    ['"\\u12G4"', 5],
    ['"\\u12', 5],
    ['"\\', 2],
    ['"a\tb"', 2],
    ['\u00a0', 0],
    ['{"a": [true, false, null, -1.5e-3, "\\u00fc"]}', 45],
  ])('of %j is %i', (text, offset) => {
    expect(jsonErrorOffset(text)).toBe(offset);
  });

  it('is where JSON.parse stops, for whatever was changed in a text', () => {
    const broken = fc
      .tuple(
        fc.json({ maxDepth: 3 }),
        fc.nat(),
        fc.constantFrom('', ',', ']', '}', '"', ':', '0', '-', '\\', 't', '\n', '.'),
      )
      .map(([text, at, put]) => {
        const position = at % text.length;
        return text.slice(0, position) + put + text.slice(position + 1);
      });
    fc.assert(
      fc.property(broken, (text) => {
        expect(jsonErrorOffset(text)).toBe(byTrying(text));
      }),
      { numRuns: 500 },
    );
  });

  it('is found in one pass, however deep and long the text is', () => {
    expect(jsonErrorOffset('['.repeat(1_000_000))).toBe(1_000_000);
    expect(jsonErrorOffset(`[${'1,'.repeat(1_000_000)}]`)).toBe(2_000_001);
    expect(jsonErrorOffset(`"${'y'.repeat(5_000_000)}" x`)).toBe(5_000_003);
  });
});
