import { resolve, sep } from 'node:path';
import { realpathSync } from 'node:fs';
import { brokenBuilds, builtEntries, builtModelsDir, type BuiltEntry } from '@madakv/engine';
import { cachedModels, hubSettings, readReference, type CachedModel } from '@madakv/hub';
import { UsageError } from '../exit.codes.js';
import { invocation } from '../invocation.js';

/** Models on this machine's disk: those pulled from the hub, and the graphs built of any. */
export interface KeptModels {
  readonly pulled: readonly CachedModel[];
  readonly built: readonly BuiltEntry[];
  /** Builds that came to no end. */
  readonly broken: readonly { readonly dir: string; readonly bytes: number }[];
}

export function keptModels(cacheDir: string | undefined): KeptModels {
  const root = builtModelsDir(cacheDir);
  return { pulled: cachedModels(hubSettings()), built: builtEntries(root), broken: brokenBuilds(root) };
}

/** As a user names it: with the branch or tag, or the start of a commit that has none any more. */
export function pulledName({ repo, revisions, commit }: CachedModel): string {
  const [revision = commit.slice(0, 12)] = [...revisions].sort((a, b) => Number(b === 'main') - Number(a === 'main'));
  return revision === 'main' ? repo : `${repo}@${revision}`;
}

/** What a built model was built of: the pulled model's name, or the folder. */
export function originOf({ record }: BuiltEntry, pulled: readonly CachedModel[]): string {
  const dirs = record?.checkpoints ?? [];
  if (dirs.length === 0) return record === undefined ? 'unknown' : 'random weights';
  return dirs
    .map((dir) => {
      const model = pulled.find((each) => realpathSync(each.dir) === dir);
      return model === undefined ? dir : pulledName(model);
    })
    .join(', ');
}

/** Those among what is kept that a name means. @throws UsageError when there is nothing of that name */
export function namedModels(name: string, kept: KeptModels, cwd: string): Pick<KeptModels, 'pulled' | 'built'> {
  const built = kept.built.filter(({ key }) => /^[0-9a-f]{6,32}$/.test(name) && key.startsWith(name));
  if (built.length > 0) return { pulled: [], built };
  const dir = resolve(cwd, name);
  const ofFolder = kept.built.filter(({ record }) => record?.checkpoints.some((each) => each === dir || isUnder(each, dir)));
  if (ofFolder.length > 0 && !name.includes('@')) return { pulled: [], built: ofFolder };
  const reference = readReference(name);
  const pulled = kept.pulled.filter(
    ({ repo, commit, revisions }) =>
      repo === reference?.repo &&
      (!name.includes('@') || revisions.includes(reference.revision) || isStart(reference.revision, commit)),
  );
  if (pulled.length > 0) return { pulled, built: builtOf(pulled, kept.built) };
  throw new UsageError(`${name}: no model of that name is kept here; see \`${invocation('models list')}\``);
}

/** Built models that nothing but these snapshots can open. */
export function builtOf(pulled: readonly CachedModel[], built: readonly BuiltEntry[]): BuiltEntry[] {
  const dirs = new Set(pulled.map(({ dir }) => realpathSync(dir)));
  return built.filter(({ record }) => {
    const from = record?.checkpoints ?? [];
    return from.some((dir) => dirs.has(dir)) && from.every((dir) => dirs.has(dir) || !isThere(dir));
  });
}

function isUnder(path: string, dir: string): boolean {
  try {
    return path === realpathSync(dir);
  } catch {
    return path.startsWith(dir + sep);
  }
}

function isThere(dir: string): boolean {
  try {
    realpathSync(dir);
    return true;
  } catch {
    return false;
  }
}

function isStart(revision: string, commit: string): boolean {
  return /^[0-9a-f]{7,40}$/.test(revision) && commit.startsWith(revision);
}
