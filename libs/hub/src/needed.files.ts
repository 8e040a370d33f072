import { HubError } from './hub.error.js';
import { referenceText, type ModelReference } from './model.reference.js';
import type { RepositoryFile } from './hub.client.js';

export const CONFIG = 'config.json';
export const SINGLE = 'model.safetensors';
export const INDEX = 'model.safetensors.index.json';

/** What a checkpoint says beside its weights. All of it is small. Folders of a repository hold other formats of the same. */
const DESCRIPTIONS: ReadonlySet<string> = new Set([
  CONFIG,
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.json',
  'chat_template.jinja',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
  'quantize_config.json',
  'quant_config.json',
]);

/** A description that is larger than this is none. */
const MAX_DESCRIPTION_BYTES = 256 * 2 ** 20;

/** The files of a repository that are needed before its weights. @throws HubError `no_weights` when there are no weights to follow */
export function descriptions(reference: ModelReference, files: readonly RepositoryFile[]): RepositoryFile[] {
  const name = referenceText(reference);
  const has = (path: string): boolean => files.some((file) => file.path === path);
  if (!has(CONFIG))
    throw new HubError('no_weights', `${name}: the repository has no ${CONFIG}, so it is no checkpoint`);
  if (!has(SINGLE) && !has(INDEX)) {
    const others = [...new Set(files.map(({ path }) => /\.(gguf|bin|onnx|pth?|h5|msgpack)$/.exec(path)?.[0]))];
    const found = others.filter((kind) => kind !== undefined).sort();
    throw new HubError(
      'no_weights',
      `${name}: the repository has neither ${SINGLE} nor ${INDEX}` +
        (found.length === 0 ? '' : ` (only ${found.join(', ')})`) +
        '; choose a repository of the model with safetensors',
    );
  }
  const kept = files.filter(({ path }) => DESCRIPTIONS.has(path) || (path === INDEX && !has(SINGLE)));
  const large = kept.find(({ size }) => size > MAX_DESCRIPTION_BYTES);
  if (large !== undefined) {
    const limit = MAX_DESCRIPTION_BYTES / 2 ** 20;
    throw new HubError('bad_answer', `${name}: ${large.path} takes ${large.size} bytes; the limit is ${limit} MiB`);
  }
  return kept;
}

/**
 * The files of weights: one, or those that the index names.
 * @param readIndex the index, parsed
 * @throws HubError `bad_answer` when index and repository do not match
 */
export function weightFiles(
  reference: ModelReference,
  files: readonly RepositoryFile[],
  readIndex: () => unknown,
): RepositoryFile[] {
  const name = referenceText(reference);
  const single = files.find(({ path }) => path === SINGLE);
  if (single !== undefined) return [single];
  return shardsOf(readIndex(), `${name}: ${INDEX}`).map((shard) => {
    const file = files.find(({ path }) => path === shard);
    if (file === undefined)
      throw new HubError('bad_answer', `${name}: ${INDEX} names ${shard}, which the repository lacks`);
    return file;
  });
}

/** Names of the files that an index of weights names. @throws HubError `bad_answer` */
export function shardsOf(index: unknown, where: string): string[] {
  const map = typeof index === 'object' && index !== null ? (index as { weight_map?: unknown }).weight_map : undefined;
  if (typeof map !== 'object' || map === null) throw new HubError('bad_answer', `${where}: no weight_map`);
  const shards = [...new Set<unknown>(Object.values(map))];
  const odd = shards.find((shard) => typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard));
  if (odd !== undefined || shards.length === 0) {
    throw new HubError('bad_answer', `${where}: weight_map must name .safetensors files beside it`);
  }
  return (shards as string[]).sort();
}
