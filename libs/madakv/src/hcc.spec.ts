import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LayerBudget, LayerLedger, type LayerRows } from './hcc.js';
import { flatProfile } from './profile.js';

function settle(budget: Partial<LayerBudget>, demands: readonly number[]): LayerRows[] {
  const ledger = new LayerLedger({
    rule: 'literal',
    rows: 100 * demands.length,
    weights: flatProfile(demands.length),
    pinned: 0,
    floor: 10,
    ceiling: 1000,
    beta: 2,
    compensate: true,
    ...budget,
  });
  return demands.map((demand) => ledger.next(demand));
}

const rowsOf = (layers: readonly LayerRows[]): number[] => layers.map(({ rows }) => rows);
const targetsOf = (layers: readonly LayerRows[]): number[] => layers.map(({ target }) => target);

describe('literal (11)', () => {
  it('keeps phi^l and hands K^l / (L - l) on', () => {
    // phi 100, K 30 -> 100 - 30/3 = 90; K -20 -> 90 + 20/2 = 100; K 0 -> 100; the last layer takes what is left.
    const layers = settle({}, [130, 70, 100, 5]);
    expect(targetsOf(layers)).toEqual([100, 90, 100, 110]);
    expect(layers.map(({ compensation }) => compensation)).toEqual([30, -20, 0, -105]);
    expect(rowsOf(layers)).toEqual([100, 90, 100, 110]);
  });

  it('never falls below the floor, whatever the demand', () => {
    expect(rowsOf(settle({}, [1000, 1000, 1000, 1000]))).toEqual([100, 10, 10, 280]);
  });

  it('never takes the floors of later layers', () => {
    expect(rowsOf(settle({}, [0, -5000, 0, 0]))).toEqual([100, 133, 157, 10]);
  });
});

describe('demand', () => {
  it('keeps the demand up to beta * phi, and what was saved or overdrawn is shared by the layers left', () => {
    const layers = settle({ rule: 'demand' }, [40, 400, 95.5, 0]);
    // (11) by hand: K -60 -> 120; kept 240, K 120 -> 60; kept 96, K 36 -> 24.
    expect(targetsOf(layers)).toEqual([100, 120, 60, 24]);
    expect(rowsOf(layers)).toEqual([40, 240, 96, 24]);
    expect(layers.map(({ compensation }) => compensation)).toEqual([-60, 120, 36, 0]);
  });
});

describe('profile', () => {
  const weights = [0.5, 0.5, 1, 2];

  it('starts from the profile', () => {
    expect(rowsOf(settle({ rule: 'profile', weights, compensate: false }, [9, 9, 9, 9]))).toEqual([50, 50, 100, 200]);
    expect(rowsOf(settle({ rule: 'profile', weights, beta: 1 }, [999, 999, 999, 999]))).toEqual([50, 50, 100, 200]);
  });

  it('hands what a layer saved to later layers by the profile', () => {
    const layers = settle({ rule: 'profile', weights, beta: 1 }, [15, 999, 999, 999]);
    expect(targetsOf(layers)).toEqual([50, 55, 110, 220]);
    expect(rowsOf(layers)).toEqual([15, 55, 110, 220]);
  });

  it('shapes what comes on top of pinned rows', () => {
    const budget = { rule: 'profile', weights, compensate: false, pinned: 20, floor: 20 } as const;
    expect(rowsOf(settle(budget, [0, 0, 0, 0]))).toEqual([60, 60, 100, 180]);
  });

  it('shares by the profile what a full layer cannot take', () => {
    const budget = { rule: 'profile', weights, compensate: false, ceiling: 160 } as const;
    expect(rowsOf(settle(budget, [0, 0, 0, 0]))).toEqual([60, 60, 120, 160]);
  });
});

it('keeps floor..ceiling rows a layer and spends exactly the grant, for any demand and rule', () => {
  const budgets = fc
    .record({
      rule: fc.constantFrom('literal', 'demand', 'profile'),
      layers: fc.array(fc.record({ weight: fc.double({ min: 0.01, max: 5, noNaN: true }), demand: fc.nat(300) }), {
        minLength: 1,
        maxLength: 12,
      }),
      pinned: fc.nat(10),
      aboveFloor: fc.nat(10),
      room: fc.nat(100),
      fill: fc.double({ min: 0, max: 1, noNaN: true }),
      beta: fc.double({ min: 1, max: 4, noNaN: true }),
      compensate: fc.boolean(),
    })
    .map(({ rule, layers, pinned, aboveFloor, room, fill, beta, compensate }) => {
      const floor = pinned + aboveFloor;
      const ceiling = floor + room;
      const rows = Math.floor((floor + fill * room) * layers.length);
      const weights = layers.map(({ weight }) => weight);
      const budget = { rule, rows, weights, pinned, floor, ceiling, beta, compensate } as const;
      return { budget, demands: layers.map(({ demand }) => demand) };
    });
  fc.assert(
    fc.property(budgets, ({ budget, demands }) => {
      const rows = rowsOf(settle(budget, demands));
      expect(rows.reduce((sum, part) => sum + part, 0)).toBe(budget.rows);
      expect(rows.every((part) => part >= budget.floor && part <= budget.ceiling && Number.isInteger(part))).toBe(true);
    }),
    { numRuns: 500 },
  );
});
