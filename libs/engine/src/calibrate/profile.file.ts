import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LayerProfile } from '@madakv/madakv';
import type { DecoderConfig } from '@madakv/models';
import type { SensitivityFigures } from './sensitivity.figures.js';

/** Name of a profile in the folder of the built model it belongs to. */
export const PROFILE_FILE = 'profile.json';

/** Raised when the layout of the file or the meaning of its figures changes. */
const FORMAT = 1;

/** A layer profile, and what it was made from. */
export interface CalibratedProfile extends LayerProfile {
  readonly format: typeof FORMAT;
  readonly provenance: ProfileProvenance;
}

export interface ProfileProvenance {
  /** Name and SHA-256 of the file the requests came from. */
  readonly data: { readonly file: string; readonly sha256: string };
  readonly requests: number;
  readonly promptTokens: number;
  /** Share of its rows that the layer under test kept. */
  readonly ratio: number;
  /** Policy whose ranking chose these rows. */
  readonly ranking: string;
  /** How the figures became weights. */
  readonly formula: string;
  readonly createdAt: string;
  readonly figures: SensitivityFigures;
}

export function newProfile(layers: readonly number[], provenance: ProfileProvenance): CalibratedProfile {
  return { format: FORMAT, layers, provenance };
}

/**
 * Writes a profile beside a built model. The file appears whole or not at all.
 * @returns its path
 */
export function writeProfile(builtDir: string, profile: CalibratedProfile): string {
  const path = join(builtDir, PROFILE_FILE);
  const temporary = join(builtDir, `.${PROFILE_FILE}.${randomUUID()}`);
  try {
    writeFileSync(temporary, `${JSON.stringify(profile, null, 2)}\n`);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  return path;
}

/**
 * Reads the profile of a built model.
 * @returns undefined when there is none
 * @throws Error when it cannot be read or is not one of this model
 */
export function readProfile(
  builtDir: string,
  { layers }: Pick<DecoderConfig, 'layers'>,
): CalibratedProfile | undefined {
  const path = join(builtDir, PROFILE_FILE);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${path}: not a layer profile: ${(cause as Error).message}`, { cause });
  }
  if (!isProfile(value, layers)) {
    throw new Error(`${path}: not a layer profile of format ${FORMAT} with ${layers} weights above 0; calibrate again`);
  }
  return value;
}

function isProfile(value: unknown, layers: number): value is CalibratedProfile {
  if (typeof value !== 'object' || value === null) return false;
  const { format, layers: weights, provenance } = value as Partial<Record<keyof CalibratedProfile, unknown>>;
  const sound = (weight: unknown): boolean => typeof weight === 'number' && weight > 0 && weight < Infinity;
  return (
    format === FORMAT &&
    typeof provenance === 'object' &&
    provenance !== null &&
    Array.isArray(weights) &&
    weights.length === layers &&
    weights.every(sound)
  );
}
