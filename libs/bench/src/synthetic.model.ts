import type { DecoderConfig, ModelConfig, TensorSource } from '@madakv/models';
import type { BuildInput } from '@madakv/engine';

const base = {
  rmsNormEps: 1e-6,
  hiddenAct: 'silu' as const,
  outputBias: false,
  mlpBias: false,
  tiedEmbeddings: false,
  maxPositions: 131_072,
};

/** Decoders of published models, by shape only. */
export const shapes: Readonly<Record<string, DecoderConfig>> = {
  'madakv-reader': {
    ...base,
    hiddenSize: 256,
    layers: 6,
    heads: 8,
    kvHeads: 4,
    headDim: 32,
    intermediateSize: 704,
    vocabSize: 264,
    rope: { theta: 10_000, scaling: { kind: 'none' } },
    qkvBias: true,
  },
  'smollm2-135m': {
    ...base,
    hiddenSize: 576,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    intermediateSize: 1536,
    vocabSize: 49_152,
    rope: { theta: 100_000, scaling: { kind: 'none' } },
    qkvBias: false,
  },
  'llava-1.5-7b': {
    ...base,
    hiddenSize: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    intermediateSize: 11_008,
    vocabSize: 32_064,
    rope: { theta: 10_000, scaling: { kind: 'none' } },
    qkvBias: false,
  },
  'qwen2.5-vl-3b': {
    ...base,
    hiddenSize: 2048,
    layers: 36,
    heads: 16,
    kvHeads: 2,
    headDim: 128,
    intermediateSize: 11_008,
    vocabSize: 151_936,
    rope: { theta: 1_000_000, scaling: { kind: 'none' }, sections: [16, 24, 24] },
    qkvBias: true,
  },
  'qwen2.5-vl-7b': {
    ...base,
    hiddenSize: 3584,
    layers: 28,
    heads: 28,
    kvHeads: 4,
    headDim: 128,
    intermediateSize: 18_944,
    vocabSize: 152_064,
    rope: { theta: 1_000_000, scaling: { kind: 'none' }, sections: [16, 24, 24] },
    qkvBias: true,
  },
};

/** A decoder of a given shape with random weights: speed does not depend on their values. */
export function syntheticModel(name: string, layers?: number): BuildInput & { readonly config: ModelConfig } {
  const shape = shapes[name] as DecoderConfig | undefined;
  if (shape === undefined) {
    throw new RangeError(`unknown shape ${name}; known are ${Object.keys(shapes).join(', ')}`);
  }
  const decoder = layers === undefined ? shape : { ...shape, layers };
  return {
    config: { family: 'synthetic', decoder, vision: {}, tokens: { image: 0, eos: [1] } },
    tensors: randomTensors(decoder),
    fingerprint: () => Promise.resolve(`synthetic/${JSON.stringify(decoder)}`),
    textOnly: true,
  };
}

/** Weights of every layer look alike; they are cut from one pool of random numbers. */
function randomTensors(config: DecoderConfig): TensorSource {
  const pool = new Float32Array(1 << 22);
  let state = 1;
  for (let i = 0; i < pool.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    pool[i] = (state / 2 ** 31) * 0.03;
  }
  const shape = (name: string): number[] => tensorShape(config, name);
  const read = (name: string): Float32Array => {
    const values = new Float32Array(shape(name).reduce((product, dim) => product * dim, 1));
    if (name.includes('norm')) return values.fill(1);
    for (let at = 0; at < values.length; at += pool.length) {
      values.set(pool.subarray(0, Math.min(pool.length, values.length - at)), at);
    }
    return values;
  };
  return { shape, read };
}

function tensorShape(config: DecoderConfig, name: string): number[] {
  const { hiddenSize, intermediateSize, vocabSize, heads, kvHeads, headDim } = config;
  const outputs: readonly (readonly [string, number, number])[] = [
    ['q_proj', heads * headDim, hiddenSize],
    ['k_proj', kvHeads * headDim, hiddenSize],
    ['v_proj', kvHeads * headDim, hiddenSize],
    ['o_proj', hiddenSize, heads * headDim],
    ['gate_proj', intermediateSize, hiddenSize],
    ['up_proj', intermediateSize, hiddenSize],
    ['down_proj', hiddenSize, intermediateSize],
    ['lm_head', vocabSize, hiddenSize],
  ];
  const known = outputs.find(([part]) => name.includes(part));
  if (known === undefined) return [/\.[qk]_norm\./.test(name) ? headDim : hiddenSize];
  return name.endsWith('.bias') ? [known[1]] : [known[1], known[2]];
}
