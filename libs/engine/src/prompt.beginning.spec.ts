import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstTokens, samePrompt, sharedTokens, type PromptBeginning } from './prompt.beginning.js';

const IMAGE = 9;

/** Ids with a position each on three axes; a run of `IMAGE`s with a key. */
function prompt(ids: readonly number[], keys: readonly string[] = [], shift = 0): PromptBeginning {
  const images: { start: number; end: number; key: string }[] = [];
  ids.forEach((id, at) => {
    const last = images.at(-1);
    if (id !== IMAGE) return;
    if (last?.end === at) last.end = at + 1;
    else images.push({ start: at, end: at + 1, key: keys[images.length] ?? 'a' });
  });
  const positions = Int32Array.from([0, 1, 2].flatMap((axis) => ids.map((_, at) => at + axis * shift)));
  return { axes: 3, inputIds: Int32Array.from(ids), positions, images };
}

describe('sharedTokens', () => {
  it('counts ids that are the same from the first on', () => {
    expect(sharedTokens(prompt([1, 2, 3]), prompt([1, 2, 4, 5]))).toBe(2);
    expect(sharedTokens(prompt([1]), prompt([2]))).toBe(0);
  });

  it('stops before an image whose pixels are others, though its placeholders are the same', () => {
    const ids = [1, IMAGE, IMAGE, 2, IMAGE, 3];
    expect(sharedTokens(prompt(ids, ['a', 'b']), prompt(ids, ['a', 'b']))).toBe(6);
    expect(sharedTokens(prompt(ids, ['a', 'b']), prompt(ids, ['a', 'c']))).toBe(4);
    expect(sharedTokens(prompt(ids, ['x', 'b']), prompt(ids, ['a', 'b']))).toBe(1);
  });

  it('stops before an image of another size, and before one that only the other has', () => {
    expect(sharedTokens(prompt([1, IMAGE, IMAGE, 2]), prompt([1, IMAGE, IMAGE, IMAGE]))).toBe(1);
    const text = { ...prompt([1, IMAGE, 2]), images: [] };
    expect(sharedTokens(text, prompt([1, IMAGE, 2]))).toBe(1);
    expect(sharedTokens(prompt([1, IMAGE, 2]), text)).toBe(1);
  });

  it('stops where positions part on any axis', () => {
    expect(sharedTokens(prompt([1, 2, 3]), prompt([1, 2, 3], [], 1))).toBe(0);
    const other = prompt([1, 2, 3]);
    other.positions[5] = 7;
    expect(sharedTokens(prompt([1, 2, 3]), other)).toBe(2);
  });

  it('is the same whoever is first, and of copies as of the prompts themselves', () => {
    const ids = fc.array(fc.constantFrom(1, 2, IMAGE), { minLength: 1, maxLength: 12 });
    const keys = fc.array(fc.constantFrom('a', 'b'), { maxLength: 6 });
    fc.assert(
      fc.property(ids, keys, ids, keys, fc.nat(12), (one, oneKeys, two, twoKeys, cut) => {
        const [a, b] = [prompt(one, oneKeys), prompt(two, twoKeys)];
        const shared = sharedTokens(a, b);
        expect(sharedTokens(b, a)).toBe(shared);
        expect(sharedTokens(a, a)).toBe(one.length);
        expect(samePrompt(a, b)).toBe(shared === one.length && shared === two.length);
        const tokens = Math.min(cut, one.length);
        const copy = firstTokens(a, tokens);
        expect(copy.inputIds).toHaveLength(tokens);
        expect(sharedTokens(a, copy)).toBe(tokens);
        expect(sharedTokens(copy, b)).toBe(Math.min(tokens, shared));
      }),
    );
  });
});
