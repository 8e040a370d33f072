import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { HubError } from './hub.error.js';
import { readReference, type ModelReference } from './model.reference.js';

/** Where a model comes from, as `--model` and `MADAKV_MODEL` name it. */
export type ModelSource =
  { readonly kind: 'folder'; readonly dir: string } | { readonly kind: 'hub'; readonly reference: ModelReference };

/**
 * A folder that is there wins over a model of the hub with the same name; what neither is one nor names one counts as a folder.
 * @param cwd folder that relative paths start from
 */
export function modelSource(text: string, cwd: string): ModelSource {
  const dir = resolve(cwd, text);
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true) return { kind: 'folder', dir };
  const reference = readReference(text);
  return reference === undefined ? { kind: 'folder', dir } : { kind: 'hub', reference };
}

/** Name of the model by itself: the folder's, or the repository's without its owner and revision. */
export function modelName(source: ModelSource): string {
  return basename(source.kind === 'folder' ? source.dir : source.reference.repo);
}

/** Whoever mistypes a relative path names a repository that is not there: the message says so. */
export function orNoFolder(error: unknown, name: string): unknown {
  if (!(error instanceof HubError) || !['not_found', 'unreachable', 'not_cached'].includes(error.code)) return error;
  return new HubError(error.code, `${error.message}. Nor is there a folder ${name} here`, { cause: error });
}
