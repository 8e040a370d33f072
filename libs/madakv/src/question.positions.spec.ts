import { describe, expect, it } from 'vitest';
import { layoutOf, questionPositions } from './layout.js';
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
    expect([...questionPositions(documentBehindQuestion)]).toEqual([5, 6, 7, 36, 37, 38, 39]);
  });

  it('is the whole range of a question without images', () => {
    const layout = layoutOf(
      [
        { modality: 'text', tokens: 3 },
        { modality: 'text', tokens: 2, question: true },
      ],
      0,
    );
    expect([...questionPositions(layout)]).toEqual([3, 4]);
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
