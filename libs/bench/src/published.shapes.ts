import type { DecoderConfig, ModelConfig } from '@madakv/models';
import { shapes } from './synthetic.model.js';

/** A checkpoint of the hub, by the shape that its config.json publishes. */
export interface PublishedModel {
  readonly repo: string;
  readonly config: ModelConfig;
}

/** What decides a decoder's tensors; the rest of it decides no bytes. */
type Sizes = Pick<DecoderConfig, 'hiddenSize' | 'layers' | 'heads' | 'kvHeads' | 'intermediateSize' | 'vocabSize'> &
  Partial<DecoderConfig>;

const sized = (sizes: Sizes): DecoderConfig => ({ ...shapes['llava-1.5-7b'], ...sizes });

const model = (repo: string, family: string, decoder: DecoderConfig, vision?: object): PublishedModel => ({
  repo,
  config: { family, decoder, vision, tokens: { eos: [1], ...(vision === undefined ? {} : { image: 0 }) } },
});

const qwenTower = {
  layers: 32,
  hiddenSize: 1280,
  heads: 16,
  headDim: 80,
  channels: 3,
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
};

const clipTower = {
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

const qwen25Vl = (size: string, decoder: DecoderConfig, intermediateSize: number): PublishedModel =>
  model(`Qwen/Qwen2.5-VL-${size}-Instruct`, 'qwen2_5_vl', decoder, {
    ...qwenTower,
    intermediateSize,
    outputSize: decoder.hiddenSize,
  });

const qwen2Vl = (size: string, decoder: DecoderConfig): PublishedModel =>
  model(`Qwen/Qwen2-VL-${size}-Instruct`, 'qwen2_vl', decoder, {
    ...qwenTower,
    intermediateSize: 5120,
    outputSize: decoder.hiddenSize,
    patchBias: false,
    deepStack: [],
  });

const qwen3Vl = (size: string, sizes: Sizes, tower: 'small' | 'large'): PublishedModel =>
  model(
    `Qwen/Qwen3-VL-${size}-Instruct`,
    'qwen3_vl',
    sized({ ...sizes, kvHeads: 8, headDim: 128, qkNorm: true, visualLayers: 3 }),
    {
      ...qwenTower,
      ...(tower === 'small'
        ? { layers: 24, hiddenSize: 1024, intermediateSize: 4096 }
        : { layers: 27, hiddenSize: 1152, intermediateSize: 4304 }),
      patchSize: 16,
      outputSize: sizes.hiddenSize,
      patchBias: true,
      positionSide: 48,
      deepStack: [0, 1, 2].map((merger) => ({ layer: 8 * (merger + 1), merger })),
    },
  );

const llava = (repo: string, decoder: DecoderConfig): PublishedModel =>
  model(`llava-hf/${repo}`, 'llava', decoder, clipTower);
const llavaNext = (repo: string, decoder: DecoderConfig): PublishedModel =>
  model(`llava-hf/${repo}`, 'llava_next', decoder, clipTower);

const [qwen3b, qwen7b, llava7b] = [shapes['qwen2.5-vl-3b'], shapes['qwen2.5-vl-7b'], shapes['llava-1.5-7b']];
const qwen25VlLarge = { heads: 40, kvHeads: 8, hiddenSize: 5120, layers: 64, intermediateSize: 27_648 };
const qwen25VlLargest = { heads: 64, kvHeads: 8, hiddenSize: 8192, layers: 80, intermediateSize: 29_568 };
const llama13b = sized({ ...llava7b, hiddenSize: 5120, layers: 40, heads: 40, kvHeads: 40, intermediateSize: 13_824 });
const mistral7b = sized({ ...llava7b, kvHeads: 8, intermediateSize: 14_336 });
const qwen3Small = { hiddenSize: 2560, layers: 36, heads: 32, kvHeads: 8, intermediateSize: 9728, vocabSize: 151_936 };
const qwen3Middle = { ...qwen3Small, hiddenSize: 4096, intermediateSize: 12_288 };

/** With vision, smallest first of each family. */
const seeing: readonly PublishedModel[] = [
  qwen3Vl(
    '2B',
    { ...qwen3Small, hiddenSize: 2048, layers: 28, heads: 16, intermediateSize: 6144, tiedEmbeddings: true },
    'small',
  ),
  qwen3Vl('4B', { ...qwen3Small, tiedEmbeddings: true }, 'small'),
  qwen3Vl('8B', qwen3Middle, 'large'),
  qwen3Vl('32B', { ...qwen3Small, hiddenSize: 5120, layers: 64, heads: 64, intermediateSize: 25_600 }, 'large'),
  qwen25Vl('3B', { ...qwen3b, tiedEmbeddings: true }, 3420),
  qwen25Vl('7B', qwen7b, 3420),
  qwen25Vl('32B', { ...qwen7b, ...qwen25VlLarge }, 3456),
  qwen25Vl('72B', { ...qwen7b, ...qwen25VlLargest }, 3456),
  qwen2Vl('2B', { ...qwen3b, hiddenSize: 1536, layers: 28, heads: 12, intermediateSize: 8960, tiedEmbeddings: true }),
  qwen2Vl('7B', qwen7b),
  llava('llava-1.5-7b-hf', llava7b),
  llava('llava-1.5-13b-hf', llama13b),
  llavaNext('llava-v1.6-mistral-7b-hf', mistral7b),
  llavaNext('llava-v1.6-vicuna-13b-hf', llama13b),
];

/** Of text alone. */
const reading: readonly PublishedModel[] = [
  model('HuggingFaceTB/SmolLM2-135M-Instruct', 'llama', { ...shapes['smollm2-135m'], tiedEmbeddings: true }),
  model(
    'meta-llama/Llama-3.2-1B-Instruct',
    'llama',
    sized({
      hiddenSize: 2048,
      layers: 16,
      heads: 32,
      kvHeads: 8,
      headDim: 64,
      intermediateSize: 8192,
      vocabSize: 128_256,
      tiedEmbeddings: true,
    }),
  ),
  model('meta-llama/Llama-3.1-8B-Instruct', 'llama', { ...mistral7b, vocabSize: 128_256 }),
  model('mistralai/Mistral-7B-Instruct-v0.3', 'mistral', { ...mistral7b, vocabSize: 32_768 }),
  model('Qwen/Qwen2.5-7B-Instruct', 'qwen2', qwen7b),
  model('Qwen/Qwen3-4B', 'qwen3', sized({ ...qwen3Small, qkNorm: true, tiedEmbeddings: true })),
  model('Qwen/Qwen3-8B', 'qwen3', sized({ ...qwen3Middle, qkNorm: true })),
];

/** Checkpoints whose families have parity tests. */
export const publishedModels: readonly PublishedModel[] = [...seeing, ...reading];
