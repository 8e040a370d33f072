import { removeBuilt, type BuiltEntry } from '@madakv/engine';
import { freedBytes, hubSettings, removeCachedModel, type CachedModel } from '@madakv/hub';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { confirmed } from '../terminal/confirmation.js';
import { formatBytes } from '@madakv/insight';
import { builtOf, keptModels, namedModels, originOf, pulledName, type KeptModels } from './kept.models.js';

export interface RemoveFlags {
  readonly cacheDir?: string;
  readonly unused?: true;
  /** Seconds. */
  readonly olderThan?: number;
  readonly dryRun?: true;
  readonly yes?: true;
}

/**
 * Removes pulled models with what was built of them, or built ones alone, after saying what that is and asking.
 * @throws UsageError when neither names nor flags choose, or both; when a name is none; when nobody can be asked
 */
export async function removeModels(names: readonly string[], flags: RemoveFlags, io: CommandIo): Promise<void> {
  const filtered = flags.unused === true || flags.olderThan !== undefined;
  if (names.length > 0 && filtered) throw new UsageError('name models, or choose them with flags, not both');
  if (names.length === 0 && !filtered) {
    throw new UsageError('nothing to remove: give names of `madakv models list`, --unused or --older-than');
  }
  const kept = keptModels(flags.cacheDir);
  const chosen = filtered ? filteredModels(kept, flags) : allNamed(names, kept, io.cwd);
  if (chosen.pulled.length + chosen.built.length + chosen.broken.length === 0) {
    io.stderr.write('no such models\n');
    return;
  }
  const settings = hubSettings();
  const folders = [...chosen.built, ...chosen.broken];
  const bytes = freedBytes(settings, chosen.pulled) + folders.reduce((sum, each) => sum + each.bytes, 0);
  const out = flags.dryRun === true ? io.stdout : io.stderr;
  for (const line of linesOf(chosen, kept)) out.write(`${line}\n`);
  if (flags.dryRun === true) {
    io.stdout.write(`${formatBytes(bytes)} would be freed\n`);
    return;
  }
  if (flags.yes !== true && !(await confirmed(`Remove this and free ${formatBytes(bytes)}?`, io))) {
    io.stderr.write('nothing was removed\n');
    return;
  }
  for (const model of chosen.pulled) {
    const onWait = (): void => void io.stderr.write(`${model.repo} is being pulled: waiting until that is over\n`);
    await removeCachedModel(settings, model, { signal: io.signal, onWait });
  }
  removeBuilt(folders.map(({ dir }) => dir));
  io.stdout.write(`${formatBytes(bytes)} freed\n`);
}

function allNamed(names: readonly string[], kept: KeptModels, cwd: string): KeptModels {
  const found = names.map((name) => namedModels(name, kept, cwd));
  return {
    pulled: [...new Set(found.flatMap(({ pulled }) => pulled))],
    built: [...new Set(found.flatMap(({ built }) => built))],
    broken: [],
  };
}

function filteredModels({ pulled, built, broken }: KeptModels, { unused, olderThan }: RemoveFlags): KeptModels {
  const before = olderThan === undefined ? -Infinity : Date.now() - 1000 * olderThan;
  const old = pulled.filter(({ lastUsedMs }) => lastUsedMs < before);
  const gone = new Set<BuiltEntry>([
    ...builtOf(old, built),
    ...built.filter(({ lastUsedMs, isUnused }) => lastUsedMs < before || (unused === true && isUnused)),
  ]);
  return { pulled: old, built: [...gone], broken: unused === true ? broken : [] };
}

function linesOf({ pulled, built, broken }: KeptModels, kept: KeptModels): string[] {
  const text = (what: string, bytes: number): string => `${formatBytes(bytes).padStart(9)}  ${what}`;
  return [
    ...pulled.map((model: CachedModel) => text(pulledName(model), model.bytes)),
    ...built.map((entry) => text(`built ${entry.key.slice(0, 12)} of ${originOf(entry, kept.pulled)}`, entry.bytes)),
    ...broken.map(({ dir, bytes }) => text(`a build that came to no end: ${dir}`, bytes)),
  ];
}
