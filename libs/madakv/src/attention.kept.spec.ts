import { describe, expect, it } from 'vitest';
import { attentionKept } from './attention.kept.js';
import { policies } from './policies/registry.js';
import type { PromptLayout } from './policy.js';

describe('the attention that eviction leaves', () => {
  it('is the kept part of it, by head, over what eviction decides about', () => {
    // Two heads, five tokens, of which the last is held back: its own attention counts neither way.
    const psi = Float32Array.of(0.5, 0.25, 0.125, 0.125, 9, 0.1, 0.2, 0.3, 0.4, 9);
    const layout = { tokens: 5, heldBack: 1 };
    const [first, second] = attentionKept(psi, { rows: 2, kept: Int32Array.of(0, 2, 2, 3) }, layout);
    expect(first).toBe(0.625);
    expect(second).toBeCloseTo(0.7, 6);
    const [all] = attentionKept(psi, { rows: 4, kept: Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3) }, layout);
    expect(all).toBe(1);
    expect([...attentionKept(psi, { rows: 0, kept: new Int32Array() }, layout)]).toEqual([0, 0]);
    // Without a token that is held back all of them are candidates.
    const [plain] = attentionKept(psi, { rows: 1, kept: Int32Array.of(4, 4) }, { tokens: 5, heldBack: 0 });
    expect(plain).toBe(0.9);
  });

  it('is all of it where there was none', () => {
    expect([
      ...attentionKept(new Float32Array(3), { rows: 1, kept: Int32Array.of(0) }, { tokens: 3, heldBack: 0 }),
    ]).toEqual([1]);
  });

  it('is no less than its share of the rows for a policy that keeps the most attended', () => {
    const tokens = 64;
    const prompt: PromptLayout = {
      tokens,
      heldBack: 1,
      modalities: ['text'],
      modalityOf: new Uint8Array(tokens),
      grids: [],
      question: { start: 60, end: tokens },
    };
    const psi = Float32Array.from({ length: 2 * tokens }, (_, i) => ((i * 29) % 64) ** 3);
    const grant = { tokensPerHead: 20 };
    const selection = policies['madakv-neither']
      .create({ pooling: { kind: 'none' } })
      .start(prompt, { layers: 1, heads: 2 }, grant)
      .select(0, psi);
    for (const share of attentionKept(psi, selection, prompt)) {
      expect(share).toBeGreaterThan(selection.rows / (tokens - 1));
      expect(share).toBeLessThan(1);
    }
  });
});
