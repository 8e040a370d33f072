import { CheckpointError } from './checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import { CONFIG, readModelType } from './config/config.file.js';
import type { ModelFamily } from './family.js';
import { llamaFamily } from './llama/llama.family.js';
import { llavaFamily } from './llava/llava.family.js';
import { llavaNextFamily } from './llava_next/llava.next.family.js';
import { mistralFamily } from './mistral/mistral.family.js';
import { qwen2Family } from './qwen2/qwen2.family.js';
import { qwenFamily } from './qwen2_5_vl/qwen.family.js';
import { qwen2VlFamily } from './qwen2_vl/qwen2.vl.family.js';
import { qwen3VlFamily } from './qwen3_vl/qwen3.vl.family.js';
import { qwen3Family } from './qwen3/qwen3.family.js';

/** All families, by `model_type`. A new one is a folder and a row here. */
export const families: ReadonlyMap<string, ModelFamily> = new Map<string, ModelFamily>(
  [
    qwenFamily,
    qwen2VlFamily,
    qwen3VlFamily,
    llavaFamily,
    llavaNextFamily,
    llamaFamily,
    mistralFamily,
    qwen2Family,
    qwen3Family,
  ].map((family) => [family.modelType, family]),
);

/** Keys of a config.json, or of its text_config, that only a mixture of experts has. */
const EXPERT_KEYS = ['num_experts', 'num_local_experts', 'n_routed_experts', 'moe_intermediate_size'];

/** @throws CheckpointError `unknown_architecture` with the list of those that are known */
export function familyOf(folder: CheckpointFolder): ModelFamily {
  const type = readModelType(folder);
  const family = families.get(type);
  if (family !== undefined) return family;
  const known = [...families.keys()].join(', ');
  const what = hasExperts(folder, type) ? ' is a mixture of experts, which is not supported' : '';
  throw new CheckpointError(
    'unknown_architecture',
    `${folder.path(CONFIG)}: model_type ${type}${what}; known are ${known}`,
  );
}

function hasExperts(folder: CheckpointFolder, type: string): boolean {
  if (/(?:^|_)moe(?:_|$)|mixtral/.test(type)) return true;
  const json = folder.json(CONFIG) as Record<string, unknown>;
  const { text_config: text } = json;
  const places = [json, typeof text === 'object' && text !== null ? text : {}];
  return places.some((place) => EXPERT_KEYS.some((key) => key in place));
}
