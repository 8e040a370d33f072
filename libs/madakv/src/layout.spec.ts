import { describe, expect, it } from 'vitest';
import { PromptLayoutError } from './errors.js';
import { checkLayout, layoutOf } from './layout.js';
import type { PromptLayout } from './policy.js';

const prompt = layoutOf(
  [
    { modality: 'text', tokens: 2 },
    { modality: 'visual', rows: 2, cols: 3 },
    { modality: 'audio', tokens: 1 },
    { modality: 'text', tokens: 3, question: true },
  ],
  1,
);

describe('layoutOf', () => {
  it('lays parts out in order', () => {
    expect(prompt).toEqual({
      tokens: 12,
      heldBack: 1,
      modalities: ['text', 'visual', 'audio'],
      modalityOf: Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 1, 2, 0, 0, 0),
      grids: [{ start: 2, rows: 2, cols: 3, frames: 1 }],
      question: { start: 9, end: 12 },
    });
    checkLayout(prompt);
  });

  it('has an empty question at the end where no part is one', () => {
    expect(layoutOf([{ modality: 'text', tokens: 4 }]).question).toEqual({ start: 4, end: 4 });
  });
});

describe('checkLayout', () => {
  const wrong: [string, Partial<PromptLayout>][] = [
    ['tokens must be a whole number above 0', { tokens: 0, modalityOf: new Uint8Array(0) }],
    ['heldBack must be 0 or 1, got 2', { heldBack: 2 }],
    ['modalityOf has 3 entries for 12 tokens', { modalityOf: new Uint8Array(3) }],
    ['modalityOf names modality 2 of 1', { modalities: ['text'] }],
    ['question [9, 13) does not lie within 12 tokens', { question: { start: 9, end: 13 } }],
    ['question [5, 4)', { question: { start: 5, end: 4 } }],
    ['the grid at 2 has 1 x 0 x 3 cells', { grids: [{ start: 2, rows: 0, cols: 3 }] }],
    ['the grid [8, 14) does not lie within 12 tokens', { grids: [{ start: 8, rows: 2, cols: 3 }] }],
    [
      'the grid at 4 overlaps the one before it, which ends at 8',
      {
        grids: [
          { start: 4, rows: 1, cols: 1 },
          { start: 2, rows: 2, cols: 3 },
        ],
      },
    ],
  ];

  it.each(wrong)('%s', (message, change) => {
    expect(() => {
      checkLayout({ ...prompt, ...change });
    }).toThrow(PromptLayoutError);
    expect(() => {
      checkLayout({ ...prompt, ...change });
    }).toThrow(message);
  });
});
