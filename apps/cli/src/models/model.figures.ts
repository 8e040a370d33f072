import { isLanguage, loadedBytes, valuesOf, type BitsOfTensor } from '@madakv/bench';
import type { OpenModel, TensorSpec } from '@madakv/models';
import { pageFit, pageUse, textFit, type PageUse } from './page.fit.js';

/** Precisions the tables compare. */
export const PRECISIONS = [
  { name: 'fp32', bits: 32 },
  { name: '8 bit', bits: 8 },
  { name: '4 bit', bits: 4 },
] as const;

/** Cache ratios the tables compare. */
export const RATIOS = [0.2, 1];

/** What can be told about a checkpoint without running it. */
export interface ModelFigures {
  readonly family: string;
  readonly layers: number;
  readonly heads: number;
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly hidden_size: number;
  readonly vocab_size: number;
  readonly max_positions: number;
  readonly tied_embeddings: boolean;
  readonly parameters: { readonly total: number; readonly language: number; readonly vision: number };
  /** Bytes of float32 key-value cache a prompt token takes in all layers. */
  readonly kv_bytes_per_token: number;
  /** Bytes of the tensors in the checkpoint's files, and their types. */
  readonly stored: { readonly bytes: number; readonly types: Readonly<Record<string, number>> };
  /** Bytes of weights in memory by precision; the embedding matrix is read from disk row by row. */
  readonly weight_bytes: Readonly<Record<string, number>>;
  /** Tokens of an A4 page as the workers draw it, with what the chat template writes around it; null for a model of text alone. */
  readonly tokens_per_page: number | null;
  /** Positions that such a page takes: fewer than tokens where a family counts rows and columns instead. */
  readonly positions_per_page: number | null;
  readonly fits: readonly FitFigures[];
}

/** How long a prompt may be in a given memory. */
export interface FitFigures {
  readonly memory_bytes: number;
  readonly precision: string;
  readonly ratio: number;
  /** Prompt tokens; 0 when the weights alone do not fit. */
  readonly tokens: number;
  /** A4 pages of one prompt; null for a model of text alone. */
  readonly pages: number | null;
  /** What the most pages are limited by. */
  readonly limited_by: 'memory' | 'positions' | 'weights';
}

export function modelFigures(model: OpenModel, memories: readonly number[]): ModelFigures {
  const { decoder } = model.config;
  const specs = model.family.tensors(model.config);
  const bitsOf = ({ name, shape }: TensorSpec): BitsOfTensor | undefined => {
    const packed = model.weights.packedLayout(name, shape);
    return packed && { bits: packed.bits, blockSize: packed.groups.blockSize };
  };
  const weightBytes = PRECISIONS.map(({ bits }) => loadedBytes(specs, decoder.tiedEmbeddings, bits, bitsOf));
  const page = model.takesImages ? pageUse(model) : undefined;
  return {
    family: model.config.family,
    layers: decoder.layers,
    heads: decoder.heads,
    kv_heads: decoder.kvHeads,
    head_dim: decoder.headDim,
    hidden_size: decoder.hiddenSize,
    vocab_size: decoder.vocabSize,
    max_positions: decoder.maxPositions,
    tied_embeddings: decoder.tiedEmbeddings,
    parameters: parameters(model),
    kv_bytes_per_token: layerBytes(model) * decoder.layers,
    stored: storedTypes(model),
    weight_bytes: Object.fromEntries(PRECISIONS.map(({ name }, i) => [name, weightBytes[i]])),
    tokens_per_page: page?.tokens ?? null,
    positions_per_page: page?.positions ?? null,
    fits: memories.flatMap((memory) =>
      PRECISIONS.flatMap(({ name }, i) =>
        RATIOS.map((ratio) => ({
          memory_bytes: memory,
          precision: name,
          ratio,
          ...fit(model, memory - weightBytes[i], ratio, page),
        })),
      ),
    ),
  };
}

/**
 * The longest prompt whose cache fits in `room` bytes. Prefill holds one layer in full and the others at `ratio`, so N
 * tokens peak at `N * layer * (1 + ratio * L)` bytes.
 */
function fit(
  model: OpenModel,
  room: number,
  ratio: number,
  page: PageUse | undefined,
): Pick<FitFigures, 'tokens' | 'pages' | 'limited_by'> {
  if (room <= 0) return { tokens: 0, pages: page === undefined ? null : 0, limited_by: 'weights' };
  const { layers, maxPositions } = model.config.decoder;
  const tokens = Math.floor(room / (layerBytes(model) * (1 + ratio * layers)));
  return page === undefined ? { ...textFit(tokens, maxPositions), pages: null } : pageFit(page, tokens, maxPositions);
}

/** Bytes of float32 keys and values a token takes in one layer. */
function layerBytes({ config: { decoder } }: OpenModel): number {
  return 2 * decoder.kvHeads * decoder.headDim * Float32Array.BYTES_PER_ELEMENT;
}

function parameters(model: OpenModel): ModelFigures['parameters'] {
  let [language, vision] = [0, 0];
  for (const { name, shape } of model.family.tensors(model.config)) {
    const values = valuesOf(shape);
    if (isLanguage(name)) language += values;
    else vision += values;
  }
  return { total: language + vision, language, vision };
}

function storedTypes(model: OpenModel): ModelFigures['stored'] {
  const types: Record<string, number> = {};
  let bytes = 0;
  for (const { name } of model.family.tensors(model.config)) {
    for (const { dtype, length } of model.weights.stored(name)) {
      types[dtype] = (types[dtype] ?? 0) + length;
      bytes += length;
    }
  }
  return { bytes, types };
}
