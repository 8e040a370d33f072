import { resolve } from 'node:path';
import { BUNDLED_MODEL, dataFolderPath, type LocalSystemOptions } from '@madakv/launcher';
import type { Command } from 'commander';
import type { CommandIo } from '../command.io.js';

/** What every command that starts a system takes. */
export interface SystemFlags {
  readonly data?: string;
  readonly model?: string;
  readonly workers?: number;
}

export function addSystemOptions(command: Command): Command {
  return command.option('--data <folder>', 'data folder (default: $MADAKV_DATA, else ~/.local/share/madakv)');
}

export function systemOptions({ data, model, workers }: SystemFlags, io: CommandIo): LocalSystemOptions {
  const redisUrl = process.env['MADAKV_REDIS_URL'];
  return {
    dataFolder: dataFolderPath(data, io.cwd),
    model: model === undefined ? BUNDLED_MODEL : resolve(io.cwd, model),
    ...(workers === undefined ? {} : { workers }),
    ...(redisUrl === undefined || redisUrl === '' ? {} : { redisUrl }),
    signal: io.signal,
  };
}
