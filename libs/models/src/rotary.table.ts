import type { DecoderConfig, RopeConfig } from './decoder.config.js';

/** cos and sin of the rotary angles, each `[tokens, headDim / 2]`. */
export interface RotaryTable {
  cos: Float32Array;
  sin: Float32Array;
}

/**
 * Angular speed of each of the headDim/2 frequencies, in radians a position, rounded as float32 like the reference.
 * @see RoFormer (arXiv:2104.09864); `llama3`: the smooth interpolation between kept and stretched wavelengths of Llama 3.1;
 * `yarn`: arXiv:2309.00071
 */
export function inverseFrequencies({ theta, scaling }: RopeConfig, headDim: number): Float32Array {
  const frequencies = new Float32Array(headDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    frequencies[i] = 1 / Math.fround(theta ** Math.fround((2 * i) / headDim));
  }
  if (scaling.kind === 'linear') return frequencies.map((frequency) => frequency / scaling.factor);
  if (scaling.kind === 'llama3') return frequencies.map((frequency) => stretch(frequency, scaling));
  if (scaling.kind === 'yarn') return yarn(frequencies, theta, scaling);
  return frequencies;
}

/** Between two bounds, frequencies pass over from kept to stretched evenly, by their number. */
function yarn(kept: Float32Array, theta: number, scaling: Extract<RopeConfig['scaling'], { kind: 'yarn' }>): Float32Array {
  const { factor, fastRotations, slowRotations, originalPositions, wholeBounds } = scaling;
  const dim = 2 * kept.length;
  const frequencyOf = (rotations: number): number =>
    (dim * Math.log(originalPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [frequencyOf(fastRotations), frequencyOf(slowRotations)];
  const low = Math.max(wholeBounds ? Math.floor(fast) : fast, 0);
  const high = Math.min(wholeBounds ? Math.ceil(slow) : slow, dim - 1);
  const width = low === high ? 0.001 : high - low;
  return kept.map((frequency, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / width));
    return (frequency / factor) * stretched + frequency * (1 - stretched);
  });
}

function stretch(frequency: number, scaling: Extract<RopeConfig['scaling'], { kind: 'llama3' }>): number {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalPositions / high) return frequency;
  if (wavelength > originalPositions / low) return frequency / factor;
  const smooth = (originalPositions / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/**
 * Rotary angles of tokens. With M-RoPE, each section of frequencies follows its own axis.
 * @param positions `[axes, tokens]`; one row serves all axes
 */
export function rotaryTable(
  decoder: Pick<DecoderConfig, 'headDim' | 'rope'>,
  positions: Int32Array,
  axes: 1 | 3,
): RotaryTable {
  const half = decoder.headDim / 2;
  const tokens = positions.length / axes;
  const speed = inverseFrequencies(decoder.rope, decoder.headDim);
  const axis = axes === 1 ? new Uint8Array(half) : axisOfFrequency(decoder.rope, half);
  const { scaling } = decoder.rope;
  const magnitude = scaling.kind === 'yarn' ? scaling.magnitude : 1;
  const cos = new Float32Array(tokens * half);
  const sin = new Float32Array(tokens * half);
  for (let token = 0, at = 0; token < tokens; token++) {
    for (let i = 0; i < half; i++, at++) {
      const angle = Math.fround(positions[axis[i] * tokens + token] * speed[i]);
      cos[at] = magnitude * Math.cos(angle);
      sin[at] = magnitude * Math.sin(angle);
    }
  }
  return { cos, sin };
}

function axisOfFrequency({ sections, interleaved }: RopeConfig, half: number): Uint8Array {
  const lengths = sections ?? [half];
  if (interleaved === true) {
    return Uint8Array.from({ length: half }, (_, i) => (i < 3 * (lengths[i % 3] ?? 0) ? i % 3 : 0));
  }
  return Uint8Array.from(lengths.flatMap((length, section) => Array<number>(length).fill(section % 3)));
}
