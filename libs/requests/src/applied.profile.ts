import { join } from 'node:path';
import { PROFILE_FILE, readProfile, type CalibratedProfile, type Engine } from '@madakv/engine';
import type { GenerationSettings } from './generation.settings.js';

/** Policies whose layers follow a profile unless their options say otherwise. The rest have a layer rule of their own. */
const PROFILED_POLICIES = ['madakv', 'madakv-no-mpa'];

/** A calibrated profile that a generation uses. */
export interface AppliedProfile {
  readonly file: string;
  readonly profile: CalibratedProfile;
  readonly policyOptions: Readonly<Record<string, unknown>>;
}

/**
 * The profile beside the built model, when there is one and the policy follows it.
 * @throws Error when the file is damaged
 */
export function profileFor(
  { builtDir, model }: Pick<Engine, 'builtDir' | 'model'>,
  { policy, policyOptions }: Pick<GenerationSettings, 'policy' | 'policyOptions'>,
): AppliedProfile | undefined {
  const { profile: chosen, layerRule = 'profile' } = policyOptions;
  if (!PROFILED_POLICIES.includes(policy) || chosen !== undefined || layerRule !== 'profile') {
    return undefined;
  }
  const profile = readProfile(builtDir, model.config.decoder);
  if (profile === undefined) return undefined;
  const { layers, heads } = profile;
  return {
    file: join(builtDir, PROFILE_FILE),
    profile,
    policyOptions: { ...policyOptions, profile: heads === undefined ? { layers } : { layers, heads } },
  };
}
