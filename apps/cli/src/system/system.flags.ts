import { modelSource, referenceText } from '@madakv/hub';
import { BUNDLED_MODEL, dataFolderPath, type LocalSystemOptions } from '@madakv/launcher';
import type { Command } from 'commander';
import type { CommandIo } from '../command.io.js';
import { pullServed } from '../models/model.folder.js';

/** What every command that starts a system takes. */
export interface SystemFlags {
  readonly data?: string;
  readonly model?: string;
  readonly workers?: number;
}

export function addSystemOptions(command: Command): Command {
  return command.option(
    '--data <folder>',
    'data folder (default: $MADAKV_DATA, else madakv in $XDG_DATA_HOME or ~/.local/share)',
  );
}

/**
 * What the workers of a system are to serve. One of the hub is pulled here, where somebody sees it; the workers find it in the
 * cache by its name.
 */
export async function servedModel(model: string | undefined, io: CommandIo): Promise<string> {
  if (model === undefined) return BUNDLED_MODEL;
  const source = modelSource(model, io.cwd);
  if (source.kind === 'folder') return source.dir;
  await pullServed(source.reference, io);
  return referenceText(source.reference);
}

export async function systemOptions({ data, model, workers }: SystemFlags, io: CommandIo): Promise<LocalSystemOptions> {
  const redisUrl = process.env['MADAKV_REDIS_URL'];
  return {
    dataFolder: dataFolderPath(data, io.cwd),
    model: await servedModel(model, io),
    ...(workers === undefined ? {} : { workers }),
    ...(redisUrl === undefined || redisUrl === '' ? {} : { redisUrl }),
    signal: io.signal,
  };
}
