import { families, type DecoderConfig, type ModelConfig } from '@madakv/models';
import { shapes } from './synthetic.model.js';
import { loadedBytes, valuesOf } from './weight.bytes.js';

/** A checkpoint of the hub, by the shape that its config.json publishes. */
interface PublishedModel {
  readonly repo: string;
  readonly config: ModelConfig;
}

const qwenVision = (outputSize: number, intermediateSize: number): object => ({
  layers: 32,
  hiddenSize: 1280,
  heads: 16,
  headDim: 80,
  intermediateSize,
  channels: 3,
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  outputSize,
});

const clipVision = {
  layers: 24,
  hiddenSize: 1024,
  heads: 16,
  headDim: 64,
  intermediateSize: 4096,
  channels: 3,
  imageSize: 336,
  patchSize: 14,
  featureLayers: [23],
  keepClassToken: false,
  projectorBias: true,
};

const qwen = (repo: string, decoder: DecoderConfig, visionIntermediate: number): PublishedModel => ({
  repo: `Qwen/${repo}`,
  config: {
    family: 'qwen2_5_vl',
    decoder,
    vision: qwenVision(decoder.hiddenSize, visionIntermediate),
    tokens: { image: 0, eos: [1] },
  },
});

const llava = (repo: string, decoder: DecoderConfig): PublishedModel => ({
  repo: `llava-hf/${repo}`,
  config: { family: 'llava', decoder, vision: clipVision, tokens: { image: 0, eos: [1] } },
});

const [qwen3b, qwen7b, llava7b] = [shapes['qwen2.5-vl-3b'], shapes['qwen2.5-vl-7b'], shapes['llava-1.5-7b']];
const large = { heads: 40, kvHeads: 8, hiddenSize: 5120, layers: 64, intermediateSize: 27_648 };
const largest = { heads: 64, kvHeads: 8, hiddenSize: 8192, layers: 80, intermediateSize: 29_568 };

/** Checkpoints whose families have parity tests, smallest first. */
export const publishedModels: readonly PublishedModel[] = [
  qwen('Qwen2.5-VL-3B-Instruct', { ...qwen3b, tiedEmbeddings: true }, 3420),
  llava('llava-1.5-7b-hf', llava7b),
  qwen('Qwen2.5-VL-7B-Instruct', qwen7b, 3420),
  llava('llava-1.5-13b-hf', {
    ...llava7b,
    hiddenSize: 5120,
    layers: 40,
    heads: 40,
    kvHeads: 40,
    intermediateSize: 13_824,
  }),
  qwen('Qwen2.5-VL-32B-Instruct', { ...qwen7b, ...large }, 3456),
  qwen('Qwen2.5-VL-72B-Instruct', { ...qwen7b, ...largest }, 3456),
];

/** What a published checkpoint takes, in bytes. */
export interface PublishedFigures {
  readonly repo: string;
  readonly family: string;
  readonly parameters: number;
  /** Of its weights on the hub, at two bytes each. */
  readonly storedBytes: number;
  /** Of what is mapped into memory, by bits of the language model's weights. */
  readonly loadedBytes: Readonly<Record<32 | 8 | 4, number>>;
  /** Of float32 keys and values that a token takes in all layers. */
  readonly kvBytesPerToken: number;
}

export function publishedFigures({ repo, config }: PublishedModel): PublishedFigures {
  const specs = families.get(config.family)?.tensors(config) ?? [];
  const { layers, kvHeads, headDim, tiedEmbeddings } = config.decoder;
  const parameters = specs.reduce((sum, { shape }) => sum + valuesOf(shape), 0);
  const at = (bits: 32 | 8 | 4): number => loadedBytes(specs, tiedEmbeddings, bits);
  return {
    repo,
    family: config.family,
    parameters,
    storedBytes: 2 * parameters,
    loadedBytes: { 32: at(32), 8: at(8), 4: at(4) },
    kvBytesPerToken: layers * 2 * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT,
  };
}

/** The table of docs/models.md. */
export function publishedTable(): string {
  const rows = publishedModels.map(publishedFigures).map((figures) => {
    const { repo, family, parameters, storedBytes, loadedBytes: loaded, kvBytesPerToken: kv } = figures;
    const sizes = [storedBytes, loaded[32], loaded[8], loaded[4], kv * 8192, 0.2 * kv * 8192].map(gib);
    return `| \`${repo}\` | \`${family}\` | ${(parameters / 1e9).toFixed(1)} B | ${sizes.join(' | ')} |`;
  });
  return [
    '| checkpoint | family | parameters | to fetch | fp32 | 8 bit | 4 bit | cache of 8,192 tokens | at 20 % |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
