import { describe, expect, it } from 'vitest';
import { layoutOf } from './layout.js';
import { type KeepRules, planRequest, type RequestPlan } from './request.plan.js';

const prompt = (heldBack: number, question = 6) =>
  layoutOf(
    [
      { modality: 'text', tokens: 4 },
      { modality: 'visual', rows: 2, cols: 5 },
      { modality: 'text', tokens: question, question: true },
    ],
    heldBack,
  );

function plan(
  tokensPerHead: number,
  rules: Partial<KeepRules> = {},
  heldBack = 0,
  question = 6,
  layers = 2,
): RequestPlan {
  return planRequest(
    'test',
    prompt(heldBack, question),
    { layers, heads: 1 },
    { tokensPerHead },
    {
      questionCap: 0.5,
      modalityFloor: 1,
      ...rules,
    },
  );
}

describe('planRequest', () => {
  it('pins the whole question where the cap allows it', () => {
    expect([...plan(12).pinned]).toEqual([14, 15, 16, 17, 18, 19]);
    expect([...plan(13, {}, 1).pinned]).toEqual([14, 15, 16, 17, 18]);
  });

  it('keeps the most recent part of a question beyond the cap', () => {
    expect([...plan(8).pinned]).toEqual([16, 17, 18, 19]);
    expect([...plan(8.9).pinned]).toEqual([16, 17, 18, 19]);
    expect([...plan(8, { questionCap: 0 }).pinned]).toEqual([19]);
  });

  it('leaves room for the floors of present modalities before the question', () => {
    expect([...plan(4, { questionCap: 1 }).pinned]).toEqual([18, 19]);
    expect([...plan(3, { questionCap: 1 }).pinned]).toEqual([19]);
    expect(plan(3, { questionCap: 1 })).toMatchObject({ floor: 3, freeFloors: Int32Array.of(1, 1) });
  });

  it('pins sinks and a window of recent tokens', () => {
    expect([...plan(20, { sinks: 2 }).pinned]).toEqual([0, 1, 14, 15, 16, 17, 18, 19]);
    expect([...plan(20, { recent: 8 }).pinned]).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    expect([...plan(20, { recent: 2 }, 1).pinned]).toEqual([14, 15, 16, 17, 18]);
  });

  it('counts a fractional grant over all layers, never more than there is', () => {
    expect(plan(8.5).rows).toBe(17);
    expect(plan(8.5, {}, 1).rows).toBe(15);
    expect(plan(99).rows).toBe(40);
  });

  it('splits the candidates by modality', () => {
    const { freeOf, allOf, pinnedByModality } = plan(12, {}, 1);
    expect([...freeOf[0]]).toEqual([0, 1, 2, 3]);
    expect(freeOf[1]).toHaveLength(10);
    expect([...allOf[0]]).toEqual([0, 1, 2, 3, 14, 15, 16, 17, 18]);
    expect([...pinnedByModality]).toEqual([5, 0]);
  });
});
