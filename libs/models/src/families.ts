import { CheckpointError } from './checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import { CONFIG, readModelType } from './config/config.file.js';
import type { ModelFamily } from './family.js';
import { llavaFamily } from './llava/llava.family.js';
import { qwenFamily } from './qwen2_5_vl/qwen.family.js';

/** All families, by `model_type`. A new one is a folder and a row here. */
export const families: ReadonlyMap<string, ModelFamily> = new Map<string, ModelFamily>([
  [qwenFamily.modelType, qwenFamily],
  [llavaFamily.modelType, llavaFamily],
]);

/** @throws CheckpointError `unknown_architecture` with the list of those that are known */
export function familyOf(folder: CheckpointFolder): ModelFamily {
  const type = readModelType(folder);
  const family = families.get(type);
  if (family === undefined) {
    const known = [...families.keys()].join(', ');
    throw new CheckpointError('unknown_architecture', `${folder.path(CONFIG)}: model_type ${type}; known are ${known}`);
  }
  return family;
}
