import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import { ropeConfig } from './config/rope.settings.js';
import { inverseFrequencies, rotaryTable } from './rotary.table.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-rotary-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});
const PLACES = [0, 20, 28, 34, 40, 63];

describe('frequencies', () => {
  // Computed by transformers, for heads of 128 and 40,960 positions.
  it.each([
    {
      rope: { rope_type: 'yarn', rope_theta: 1e6, factor: 4, original_max_position_embeddings: 32768 },
      expected: [1, 0.013335214928, 0.0018482765881, 0.00033424055437, 4.4456985052e-5, 3.102344408e-7],
      magnitude: 1.138629436111989,
    },
    {
      rope: {
        type: 'yarn',
        rope_theta: 1e4,
        factor: 40,
        original_max_position_embeddings: 4096,
        mscale: 0.707,
        mscale_all_dim: 1,
        truncate: false,
      },
      expected: [1, 0.056234128773, 0.01270314306, 0.0035352581181, 0.00072263815673, 2.8869546895e-6],
      magnitude: 0.9210423553163399,
    },
    {
      rope: {
        rope_type: 'llama3',
        rope_theta: 5e5,
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
      expected: [1, 0.016560440883, 0.0032114461064, 0.00017850779113, 3.4281023545e-5, 3.0689258779e-7],
      magnitude: 1,
    },
  ])('are stretched as $rope.rope_type asks, theta $rope.rope_theta', ({ rope, expected, magnitude }) => {
    const keys = { max_position_embeddings: 40_960, rope_scaling: rope };
    const config = ropeConfig(keys, { theta: 1 }, new CheckpointFolder(dir));
    const actual = inverseFrequencies(config, 128);
    PLACES.forEach((place, i) => {
      expect(actual[place] / expected[i]).toBeCloseTo(1, 5);
    });
    const { cos } = rotaryTable({ headDim: 128, rope: config }, Int32Array.of(0), 1);
    expect(cos[0]).toBeCloseTo(magnitude, 6);
  });

  it('follow the axes in blocks, or in turns until a section is used up', () => {
    const scaling = { kind: 'none' } as const;
    const axesOf = (interleaved: boolean): number[] => {
      const rope = { theta: 1, scaling, sections: [4, 2, 2], interleaved };
      // With theta 1 every frequency is 1, so that the angle is the axis' position.
      const { sin } = rotaryTable({ headDim: 16, rope }, Int32Array.of(0, 1, 2), 3);
      return Array.from(sin, (value) => [0, 1, 2].findIndex((axis) => Math.abs(Math.sin(axis) - value) < 1e-6));
    };
    expect(axesOf(false)).toEqual([0, 0, 0, 0, 1, 1, 2, 2]);
    expect(axesOf(true)).toEqual([0, 1, 2, 0, 1, 2, 0, 0]);
  });
});
