import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QwenVisionConfig } from './qwen.vision.config.js';
import { MASKED, visionLayout } from './vision.layout.js';

const config: QwenVisionConfig = {
  layers: 1,
  hiddenSize: 32,
  heads: 2,
  headDim: 16,
  intermediateSize: 48,
  channels: 3,
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  windowCells: 4,
  fullAttentionLayers: [],
  outputSize: 64,
  ropeTheta: 10_000,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
};

describe('visionLayout', () => {
  it('loses no patch: order and windows can be undone', () => {
    const cells = fc.integer({ min: 1, max: 13 });
    fc.assert(
      fc.property(cells, cells, fc.integer({ min: 1, max: 2 }), (rows, cols, frames) => {
        const layout = visionLayout({ frames, rows: rows * 2, cols: cols * 2 }, config);
        expect(layout.patches).toBe(frames * rows * cols * 4);
        expect([...layout.patchOrder].sort((a, b) => a - b)).toEqual(Array.from({ length: layout.patches }, (_, i) => i));
        layout.cellOrder.forEach((cell, place) => {
          expect(layout.cellPlace[cell]).toBe(place);
        });
        layout.unpadIndex.forEach((padded, place) => {
          expect([layout.windowIndex[padded], layout.windowMask[padded]]).toEqual([place, 0]);
        });
        const padding = layout.windowMask.filter((value) => value !== 0);
        expect(padding).toHaveLength(layout.windows * layout.windowPatches - layout.patches);
        expect(padding.every((value) => value === MASKED)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('takes one window after the other, the cut ones too', () => {
    const { cellOrder, windowStarts } = visionLayout({ frames: 1, rows: 4, cols: 10 }, config);
    expect([...cellOrder]).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 4, 9]);
    expect([...windowStarts]).toEqual([0, 32, 40]);
  });
});
