import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { TokenIds } from '../family.js';

const id = z.int().min(0);
const eosSchema = z.union([id, z.array(id)]).nullish();

/** Keys of a config that name special tokens. */
export const tokenKeys = {
  eos_token_id: eosSchema,
  bos_token_id: id.nullish(),
  // Older files say -1 where there is none.
  pad_token_id: z
    .int()
    .nullish()
    .transform((pad) => (pad != null && pad < 0 ? null : pad)),
};

export interface TokenKeys {
  eos_token_id?: number | number[] | null;
  bos_token_id?: number | null;
  pad_token_id?: number | null;
}

const GENERATION = 'generation_config.json';
const generationSchema = z.looseObject(tokenKeys);

/**
 * Special tokens: generation_config.json where it speaks of them, else the given configs in order.
 * @param image placeholder of images, for a model that takes them
 * @throws CheckpointError `bad_value` when no end token is named anywhere
 */
export function tokenIds(folder: CheckpointFolder, image: number | undefined, configs: readonly TokenKeys[]): TokenIds {
  const sources: TokenKeys[] = [...configs];
  if (folder.has(GENERATION)) sources.unshift(folder.parse(generationSchema, folder.json(GENERATION), GENERATION));
  const first = <K extends keyof TokenKeys>(key: K) => sources.map((source) => source[key]).find((value) => value != null);
  const eos = [first('eos_token_id') ?? []].flat();
  if (eos.length === 0) {
    throw new CheckpointError('bad_value', `${folder.dir}: neither ${GENERATION} nor config.json has eos_token_id`);
  }
  return { ...(image === undefined ? {} : { image }), eos, bos: first('bos_token_id') ?? undefined, pad: first('pad_token_id') ?? undefined };
}
