import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { RopeConfig, RopeScaling } from '../decoder.config.js';

const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  factor: z.number().positive().nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: z.number().positive().nullish(),
  beta_fast: z.number().positive().nullish(),
  beta_slow: z.number().positive().nullish(),
  attention_factor: z.number().positive().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  partial_rotary_factor: z.number().nullish(),
  mrope_section: z.array(z.int().positive()).nullish(),
  mrope_interleaved: z.boolean().nullish(),
});

type RopeParameters = z.infer<typeof ropeSchema>;

/** The keys of a text config that speak of rope: `rope_parameters` today, `rope_scaling` and `rope_theta` before. */
export const ropeKeys = {
  rope_parameters: ropeSchema.nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
  original_max_position_embeddings: z.number().positive().nullish(),
};

export interface RopeKeys {
  rope_parameters?: RopeParameters | null;
  rope_scaling?: RopeParameters | null;
  rope_theta?: number | null;
  partial_rotary_factor?: number | null;
  original_max_position_embeddings?: number | null;
  max_position_embeddings: number;
}

/** What a family's rope is where its config.json does not say. */
export interface RopeDefaults {
  readonly theta: number;
  /** M-RoPE: frequencies an axis; absent for one-dimensional rope. */
  readonly sections?: readonly number[];
  /** M-RoPE: whether the axes take turns from frequency to frequency. */
  readonly interleaved?: boolean;
}

const supported = ['default', 'mrope', 'linear', 'llama3', 'yarn'];

/**
 * Settings of the rotary embedding, whichever layout they are written in.
 * @throws CheckpointError `unsupported_rope` with what was found, `bad_value` for a factor that is missing
 */
export function ropeConfig(keys: RopeKeys, defaults: RopeDefaults, folder: CheckpointFolder): RopeConfig {
  const nested = parametersOf(keys);
  const kind = nested.rope_type ?? nested.type ?? 'default';
  const where = folder.path('config.json');
  const refuse = (what: string): never => {
    throw new CheckpointError('unsupported_rope', `${where}: ${what}`);
  };
  const byLayer = Object.keys(nested).find((key) => key.endsWith('_attention'));
  if (byLayer !== undefined) refuse(`rope_parameters differ by kind of layer (${byLayer}), which is not supported`);
  if (!supported.includes(kind)) refuse(`rope type ${kind}; supported are ${supported.join(', ')}`);
  const partial = nested.partial_rotary_factor ?? keys.partial_rotary_factor ?? 1;
  if (partial !== 1) refuse(`partial_rotary_factor ${partial}; supported is 1`);
  const { theta: usual, sections, interleaved = false } = defaults;
  if (sections !== undefined && (nested.mrope_interleaved ?? interleaved) !== interleaved) {
    refuse(`mrope_interleaved is ${String(nested.mrope_interleaved)}; supported for this model_type is ${interleaved}`);
  }
  const theta = nested.rope_theta ?? keys.rope_theta ?? usual;
  const scaling = scalingOf(kind, nested, keys, where);
  if (sections === undefined) return { theta, scaling };
  const own = nested.mrope_section ?? [...sections];
  return { theta, scaling, sections: own, ...(interleaved ? { interleaved } : {}) };
}

/** `rope_scaling`, the older name, wins unless it is empty, as in the reference. */
function parametersOf({ rope_scaling: older, rope_parameters: newer }: RopeKeys): RopeParameters {
  return older != null && Object.keys(older).length > 0 ? older : (newer ?? {});
}

function scalingOf(kind: string, nested: RopeParameters, keys: RopeKeys, where: string): RopeScaling {
  const need = (key: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = nested[key];
    if (value == null) throw new CheckpointError('bad_value', `${where}: rope type ${kind} without ${key}`);
    return value;
  };
  const originalPositions =
    keys.original_max_position_embeddings ?? nested.original_max_position_embeddings ?? keys.max_position_embeddings;
  switch (kind) {
    case 'linear':
      return { kind, factor: need('factor') };
    case 'llama3':
      return {
        kind,
        factor: need('factor'),
        lowFrequencyFactor: need('low_freq_factor'),
        highFrequencyFactor: need('high_freq_factor'),
        originalPositions,
      };
    case 'yarn': {
      const factor = nested.factor ?? keys.max_position_embeddings / originalPositions;
      return {
        kind,
        factor,
        originalPositions,
        fastRotations: nested.beta_fast ?? 32,
        slowRotations: nested.beta_slow ?? 1,
        wholeBounds: nested.truncate ?? true,
        magnitude: nested.attention_factor ?? yarnMagnitude(factor, nested),
      };
    }
    default:
      return { kind: 'none' };
  }
}

/** What cos and sin are multiplied with (YaRN, arXiv:2309.00071, section 3.4; `mscale` as DeepSeek sets it). */
function yarnMagnitude(factor: number, { mscale, mscale_all_dim: all }: RopeParameters): number {
  const of = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  return mscale && all ? of(mscale) / of(all) : of(1);
}
