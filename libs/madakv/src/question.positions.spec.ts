import { describe, expect, it } from 'vitest';
import { layoutOf, QUESTION_WINDOW, questionPositions } from './layout.js';
import { createPolicy } from './policies/registry.js';

describe('questionPositions', () => {
  const documentBehindQuestion = {
    tokens: 40,
    heldBack: 1,
    modalities: ['text', 'visual'],
    modalityOf: new Uint8Array(40).fill(1, 8, 36),
    grids: [{ start: 8, rows: 4, cols: 7 }],
    question: { start: 5, end: 40 },
  };

  it('leaves out an image that stands behind the question', () => {
    expect([...questionPositions(documentBehindQuestion, 100)]).toEqual([5, 6, 7, 36, 37, 38, 39]);
  });

  it('is the whole range of a question without images', () => {
    const layout = layoutOf(
      [
        { modality: 'text', tokens: 3 },
        { modality: 'text', tokens: 2, question: true },
      ],
      0,
    );
    expect([...questionPositions(layout, 100)]).toEqual([3, 4]);
  });

  it('is the last tokens of a longer question, images left out', () => {
    expect([...questionPositions(documentBehindQuestion, 6)]).toEqual([6, 7, 36, 37, 38, 39]);
    expect([...questionPositions(documentBehindQuestion, 3)]).toEqual([37, 38, 39]);
  });

  it('leaves out the end of an image that reaches into the question', () => {
    const layout = { ...documentBehindQuestion, question: { start: 30, end: 40 } };
    expect([...questionPositions(layout, 100)]).toEqual([36, 37, 38, 39]);
  });

  it('leaves out several images, however they are listed', () => {
    const grids = [
      { start: 20, rows: 2, cols: 3, frames: 2 },
      { start: 8, rows: 1, cols: 4 },
    ];
    const modalityOf = new Uint8Array(documentBehindQuestion.tokens);
    for (const [from, to] of [
      [8, 12],
      [20, 32],
    ])
      modalityOf.fill(1, from, to);
    const layout = { ...documentBehindQuestion, grids, modalityOf, question: { start: 6, end: 36 } };
    expect([...questionPositions(layout, 100)]).toEqual([6, 7, ...range(12, 20), ...range(32, 36)]);
  });

  it('leaves out what an image has beside its grid', () => {
    const layout = layoutOf([
      { modality: 'text', tokens: 2, question: true },
      { modality: 'visual', tokens: 4 },
      { modality: 'visual', rows: 2, cols: 2 },
      { modality: 'text', tokens: 2 },
    ]);
    expect([...questionPositions({ ...layout, question: { start: 0, end: 12 } }, 100)]).toEqual([0, 1, 10, 11]);
  });

  it('is what policies keep and ask, so that the document may be evicted', () => {
    const policy = createPolicy('madakv', { proxies: 'question', otherWeight: 1, questionCap: 0.5 });
    const observation = policy.observe(documentBehindQuestion);
    expect(observation.kind === 'queries' && [...observation.positions]).toEqual([5, 6, 7, 36, 37, 38, 39]);
    const importance = new Float32Array(40).fill(1);
    const selection = policy
      .start(documentBehindQuestion, { layers: 1, heads: 1 }, { tokensPerHead: 14 })
      .select(0, importance);
    expect([...selection.kept]).toEqual(expect.arrayContaining([5, 6, 7, 36, 37, 38]));
  });
});

const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);

describe('the queries that are scored', () => {
  const askedFor = (question: number) =>
    layoutOf(
      [
        { modality: 'visual', rows: 20, cols: 20 },
        { modality: 'text', tokens: question, question: true },
      ],
      1,
    );
  const scored = (name: string, question: number, options = {}): number => {
    const observation = createPolicy(name, options).observe(askedFor(question));
    return observation.kind === 'queries' ? observation.positions.length : 0;
  };

  // What scoring costs is their number times the prompt. Where document and question are one text, all of it is question.
  it.each([1, 40, 600, 6000])('are no more than the window, of a question of %d tokens', (question) => {
    for (const name of ['madakv', 'madakv-paper', 'madakv-no-mpa', 'madakv-no-hcc', 'madakv-neither']) {
      expect(scored(name, question), name).toBe(Math.min(question, QUESTION_WINDOW));
    }
    expect(scored('madakv', question, { questionWindow: 500 })).toBe(Math.min(question, 500));
    expect(scored('madakv', question, { proxies: 'last' })).toBe(1);
  });

  it('are those of the papers for the rivals: 32 last tokens for SnapKV, 8 for PyramidKV', () => {
    for (const question of [1, 40, 6000]) {
      expect(scored('snapkv', question)).toBe(32);
      expect(scored('pyramidkv', question)).toBe(8);
      expect(scored('snapkv', question, { window: 'question' })).toBe(Math.min(question, QUESTION_WINDOW));
    }
  });
});
