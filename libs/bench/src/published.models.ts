import { families } from '@madakv/models';
import { publishedModels, type PublishedModel } from './published.shapes.js';
import { loadedBytes, valuesOf } from './weight.bytes.js';

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
