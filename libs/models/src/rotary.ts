import type { RopeConfig } from './decoder.config.js';

/** Cosines and sines of rotary angles, `[rows, headDim / 2]` each. */
export interface RotaryRows {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * Rotary positions of the decoder, one-dimensional or along several axes (M-RoPE: each frequency takes its position from
 * one axis). Computed in single precision in the order the reference computes them, so that long prompts agree too.
 */
export class RotaryTable {
  private readonly frequencies: Float32Array;
  /** Axis of each frequency. */
  private readonly axisOf: Uint8Array;

  constructor(
    rope: RopeConfig,
    private readonly headDim: number,
  ) {
    const half = headDim / 2;
    this.frequencies = Float32Array.from({ length: half }, (_, i) =>
      scaleFrequency(1 / Math.fround(rope.theta ** ((2 * i) / headDim)), rope),
    );
    this.axisOf = new Uint8Array(half);
    if (rope.sections === undefined) return;
    let start = 0;
    rope.sections.forEach((length, section) => {
      this.axisOf.fill(section % 3, start, start + length);
      start += length;
    });
  }

  /**
   * @param positions `[axes, rows]`
   * @param axes 1, or 3 for M-RoPE
   */
  rows(positions: Int32Array, axes: number): RotaryRows {
    const count = positions.length / axes;
    const half = this.headDim / 2;
    const cos = new Float32Array(count * half);
    const sin = new Float32Array(count * half);
    for (let row = 0; row < count; row++) {
      for (let i = 0; i < half; i++) {
        const axis = axes === 1 ? 0 : this.axisOf[i];
        const angle = Math.fround(positions[axis * count + row] * this.frequencies[i]);
        cos[row * half + i] = Math.cos(angle);
        sin[row * half + i] = Math.sin(angle);
      }
    }
    return { cos, sin };
  }
}

/** Stretches one frequency for contexts beyond the trained length. */
function scaleFrequency(frequency: number, rope: RopeConfig): number {
  const scaling = rope.scaling;
  switch (scaling.kind) {
    case 'none':
      return frequency;
    case 'linear':
      return frequency / scaling.factor;
    case 'llama3': {
      // Llama 3.1: short wavelengths stay, long ones are divided, those between are blended.
      const wavelength = (2 * Math.PI) / frequency;
      const low = scaling.originalPositions / scaling.lowFrequencyFactor;
      const high = scaling.originalPositions / scaling.highFrequencyFactor;
      if (wavelength < high) return frequency;
      if (wavelength > low) return frequency / scaling.factor;
      const smooth =
        (scaling.originalPositions / wavelength - scaling.lowFrequencyFactor) /
        (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
      return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency;
    }
  }
}
