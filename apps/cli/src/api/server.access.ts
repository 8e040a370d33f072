import { existsSync } from 'node:fs';
import { modelSource, referenceText } from '@madakv/hub';
import { DataFolder, dataFolderPath, LocalSystem, modelIdOf, type RunningSystem } from '@madakv/launcher';
import type { Command } from 'commander';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { addSystemOptions, systemOptions, type SystemFlags } from '../system/system.flags.js';
import { SystemNotes } from '../system/system.notes.js';
import { ApiClient } from './api.client.js';
import { invocation, shellWord } from '../invocation.js';
import { howToServe } from './api.errors.js';

/** What every command that talks to a server takes. */
export interface ServerFlags {
  readonly url?: string;
  readonly apiKey?: string;
  readonly data?: string;
}

/** What those take besides that can start one. */
export interface LocalFlags extends ServerFlags, SystemFlags {
  readonly local?: true;
}

export interface ServerAccess {
  readonly client: ApiClient;
  /** Names the server beyond this call: a local one by its folder, since its port may change. */
  readonly identity: string;
  /** Id of the model that it serves, where that is known. */
  readonly model?: string;
  /** It was started for this command and ends with it. */
  readonly isPassing?: boolean;
}

export function addServerOptions(command: Command): Command {
  return addSystemOptions(command)
    .option('--url <address>', 'server (default: $MADAKV_URL, else the one that `madakv up` runs)')
    .option('--api-key <key>', 'default: $MADAKV_API_KEY, else the one of `madakv up`');
}

export function addLocalOption(command: Command): Command {
  return addServerOptions(command).option('--local', 'start what is needed on this machine, and stop it afterwards');
}

/**
 * @param startsLocal whether the command has --local
 * @throws UsageError when no server was named and none runs on the data folder
 */
export function findServer(flags: ServerFlags, io: CommandIo, startsLocal = false): ServerAccess {
  const given = flags.url ?? fromEnvironment('MADAKV_URL');
  const key = flags.apiKey ?? fromEnvironment('MADAKV_API_KEY');
  const dataFolder = dataFolderPath(flags.data, io.cwd);
  const running = existsSync(dataFolder) ? new DataFolder(dataFolder).running() : undefined;
  if (given !== undefined) {
    checkUrl(given);
    const client = clientOf(given, key, io, startsLocal);
    return client.url === running?.url && key === undefined
      ? localAccess(running, dataFolder, io)
      : { client, identity: client.url };
  }
  if (running === undefined) {
    const up = flags.data === undefined ? 'up' : `up --data ${shellWord(flags.data)}`;
    throw new UsageError(`no system runs on ${dataFolder}: ${howToServe(startsLocal, up)}`);
  }
  return localAccess({ ...running, ...(key === undefined ? {} : { apiKey: key }) }, dataFolder, io);
}

/**
 * Does the work with a server: the one that runs, or with `--local` one that is started for it and stopped afterwards,
 * however it ends.
 * @throws UsageError where the one that runs is not what the flags ask for
 */
export async function withServer<T>(
  flags: LocalFlags,
  io: CommandIo,
  work: (access: ServerAccess) => Promise<T>,
): Promise<T> {
  if (flags.local !== true) return work(findServer(flags, io, true));
  if (flags.url !== undefined) throw new UsageError('--local starts a server of its own: leave out --url');
  const dataFolder = dataFolderPath(flags.data, io.cwd);
  const running = existsSync(dataFolder) ? new DataFolder(dataFolder).running() : undefined;
  if (running !== undefined) {
    checkServes(running, flags, dataFolder, io);
    return work(localAccess(running, dataFolder, io));
  }
  const options = await systemOptions(flags, io);
  const notes = new SystemNotes(io, { logs: 'none', quiet: true });
  try {
    const system = await LocalSystem.start({ ...options, onNote: notes.onNote });
    notes.clear();
    try {
      return await Promise.race([
        work({ ...localAccess(system, dataFolder, io), isPassing: true }),
        system.failure.then((error) => {
          throw error;
        }),
      ]);
    } finally {
      await system.stop();
    }
  } finally {
    notes.clear();
  }
}

/**
 * The model to ask: the one that was named, or the only one that there is.
 * @throws UsageError that lists what there is
 */
export async function chooseModel(
  { client, model }: ServerAccess,
  { model: named, local }: LocalFlags,
): Promise<string> {
  // With --local it names what is served.
  if (named !== undefined && local !== true) return named;
  if (model !== undefined) return model;
  const models = (await client.models()).map(({ id }) => id);
  if (models.length === 1) return models[0];
  throw new UsageError(
    models.length === 0
      ? 'the server has no model yet'
      : `the server has several models; choose one with --model: ${models.join(', ')}`,
  );
}

/** What runs already is not another model, and not more workers, for a flag. @throws UsageError */
function checkServes(
  { model: served }: RunningSystem,
  { model, workers }: LocalFlags,
  dataFolder: string,
  io: CommandIo,
): void {
  const other = 'stop it, or name another folder with --data';
  if (model !== undefined) {
    const source = modelSource(model, io.cwd);
    const wanted = modelIdOf(source.kind === 'folder' ? source.dir : referenceText(source.reference));
    if (wanted !== served) {
      throw new UsageError(`--model ${model}: the system that runs on ${dataFolder} serves ${served}; ${other}`);
    }
  }
  if (workers !== undefined) {
    throw new UsageError(`--workers: a system runs on ${dataFolder} already, with the workers that it has; ${other}`);
  }
}

/** Another command that talks to the same server, as a user would type it. */
export function commandThere(command: string, { url, data }: ServerFlags): string {
  const flags = [...(url === undefined ? [] : ['--url', url]), ...(data === undefined ? [] : ['--data', data])];
  return invocation([command, ...flags.map(shellWord)].join(' '));
}

function localAccess({ url, apiKey, model }: RunningSystem, dataFolder: string, io: CommandIo): ServerAccess {
  return { client: clientOf(url, apiKey, io), identity: `local:${dataFolder}`, model };
}

function clientOf(url: string, apiKey: string | undefined, { signal }: CommandIo, startsLocal = false): ApiClient {
  return new ApiClient({ url, signal, startsLocal, ...(apiKey === undefined ? {} : { apiKey }) });
}

function checkUrl(url: string): void {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(`${url}: expected an address like http://127.0.0.1:8000`);
  }
}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
