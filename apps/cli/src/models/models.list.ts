import type { CommandIo } from '../command.io.js';
import { textTable } from '../terminal/text.table.js';
import { formatBytes } from '@madakv/insight';
import { keptModels, originOf, type KeptModels } from './kept.models.js';

export interface ListFlags {
  readonly cacheDir?: string;
  readonly json?: true;
}

/** Characters of a commit or key that are shown; as many are enough to name it. */
const SHORT = 12;

/** Writes what models lie on this machine. */
export function listModels({ cacheDir, json }: ListFlags, io: CommandIo): void {
  const kept = keptModels(cacheDir);
  io.stdout.write(json === true ? `${JSON.stringify(listJson(kept))}\n` : listText(kept));
}

function listJson({ pulled, built, broken }: KeptModels): object {
  return {
    pulled: pulled.map(({ repo, commit, revisions, dir, bytes, complete, modelType, lastUsedMs }) => ({
      repo,
      commit,
      revisions,
      dir,
      bytes,
      complete,
      family: modelType ?? null,
      last_used: seconds(lastUsedMs),
    })),
    built: built.map(({ key, dir, bytes, record, lastUsedMs, isUnused }) => ({
      key,
      dir,
      bytes,
      family: record?.family ?? null,
      precision: record?.precision ?? null,
      provider: record?.provider ?? null,
      checkpoints: record?.checkpoints ?? null,
      unused: isUnused,
      last_used: seconds(lastUsedMs),
    })),
    broken_builds: broken,
  };
}

function listText(kept: KeptModels): string {
  const { pulled, built, broken } = kept;
  if (pulled.length + built.length + broken.length === 0) return 'no models are kept here\n';
  const pulledRows = pulled.map(({ repo, commit, revisions, modelType, bytes, complete, lastUsedMs }) => [
    repo,
    revisions.join(', ') || '-',
    commit.slice(0, SHORT),
    complete ? (modelType ?? '-') : 'incomplete',
    formatBytes(bytes),
    day(lastUsedMs),
  ]);
  const builtRows = built.map((entry) => [
    entry.key.slice(0, SHORT),
    originOf(entry, pulled),
    entry.record?.family ?? '-',
    entry.record === undefined ? '-' : `${entry.record.precision}, ${entry.record.provider}`,
    formatBytes(entry.bytes),
    day(entry.lastUsedMs),
    entry.isUnused ? 'unused' : '',
  ]);
  const total = [...pulled, ...built, ...broken].reduce((sum, { bytes }) => sum + bytes, 0);
  const parts = [
    pulled.length === 0 ? '' : textTable(['pulled', 'revision', 'commit', 'family', 'size', 'used'], pulledRows),
    built.length === 0 ? '' : textTable(['built', 'of', 'family', 'precision', 'size', 'used', ''], builtRows),
    broken.length === 0 ? '' : `builds that came to no end: ${formatBytes(broken.reduce((sum, { bytes }) => sum + bytes, 0))}\n`,
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n${formatBytes(total)} in all\n`;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
