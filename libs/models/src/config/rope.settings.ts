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
  partial_rotary_factor: z.number().nullish(),
  mrope_section: z.array(z.int().positive()).nullish(),
});

/** The keys of a text config that speak of rope: `rope_parameters` today, `rope_scaling` and `rope_theta` before. */
export const ropeKeys = {
  rope_parameters: ropeSchema.nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_theta: z.number().positive().nullish(),
};

export interface RopeKeys {
  rope_parameters?: z.infer<typeof ropeSchema> | null;
  rope_scaling?: z.infer<typeof ropeSchema> | null;
  rope_theta?: number | null;
  max_position_embeddings: number;
}

const supported = ['default', 'mrope', 'linear', 'llama3'];

/**
 * Settings of the rotary embedding, whichever layout they are written in.
 * @param mrope how many axes are interleaved by default; absent for one-dimensional rope
 * @throws CheckpointError `unsupported_rope` with the type that was found, `bad_value` for a factor that is missing
 */
export function ropeConfig(
  keys: RopeKeys,
  defaults: { theta: number; sections?: number[] },
  folder: CheckpointFolder,
): RopeConfig {
  const nested = { ...(keys.rope_scaling ?? keys.rope_parameters ?? {}) };
  const kind = nested.rope_type ?? nested.type ?? 'default';
  const where = folder.path('config.json');
  if (!supported.includes(kind)) {
    throw new CheckpointError('unsupported_rope', `${where}: rope type ${kind}; supported are ${supported.join(', ')}`);
  }
  if ((nested.partial_rotary_factor ?? 1) !== 1) {
    throw new CheckpointError('unsupported_rope', `${where}: partial_rotary_factor ${String(nested.partial_rotary_factor)}`);
  }
  const need = (key: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = nested[key];
    if (value == null) throw new CheckpointError('bad_value', `${where}: rope type ${kind} without ${key}`);
    return value;
  };
  let scaling: RopeScaling = { kind: 'none' };
  if (kind === 'linear') scaling = { kind, factor: need('factor') };
  if (kind === 'llama3') {
    scaling = {
      kind,
      factor: need('factor'),
      lowFrequencyFactor: need('low_freq_factor'),
      highFrequencyFactor: need('high_freq_factor'),
      originalPositions: nested.original_max_position_embeddings ?? keys.max_position_embeddings,
    };
  }
  const theta = nested.rope_theta ?? keys.rope_theta ?? defaults.theta;
  if (defaults.sections === undefined) return { theta, scaling };
  return { theta, scaling, sections: nested.mrope_section ?? defaults.sections };
}
