import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';

export const CONFIG = 'config.json';

/** A whole number above zero. */
export const positive = z.int().positive();

const typeSchema = z.looseObject({ model_type: z.string() });

/** @throws CheckpointError when config.json is missing, not JSON, or has no `model_type` */
export function readModelType(folder: CheckpointFolder): string {
  return folder.parse(typeSchema, folder.json(CONFIG), CONFIG).model_type;
}

/** @throws CheckpointError `unsupported_feature` unless `value` is one of `supported` */
export function requireOneOf<T extends string>(
  folder: CheckpointFolder,
  key: string,
  value: string,
  supported: readonly T[],
): T {
  const found = supported.find((candidate) => candidate === value);
  if (found === undefined) {
    const list = supported.join(', ');
    throw new CheckpointError('unsupported_feature', `${folder.path(CONFIG)}: ${key} is ${value}; supported: ${list}`);
  }
  return found;
}

/** @throws CheckpointError `bad_value` when `divisor` does not divide `value` */
export function requireMultiple(
  folder: CheckpointFolder,
  [key, value]: readonly [string, number],
  [divisorKey, divisor]: readonly [string, number],
): void {
  if (value % divisor !== 0) {
    throw new CheckpointError(
      'bad_value',
      `${folder.path(CONFIG)}: ${key} ${value} is not a multiple of ${divisorKey} ${divisor}`,
    );
  }
}
