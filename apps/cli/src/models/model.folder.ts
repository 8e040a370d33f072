import {
  hubSettings,
  modelSource,
  orNoFolder,
  pullModel,
  referenceText,
  type HubSettings,
  type ModelReference,
  type PulledModel,
  type PullOptions,
} from '@madakv/hub';
import { checkDescription } from '@madakv/models';
import type { CommandIo } from '../command.io.js';
import { Progress } from '../terminal/progress.js';
import { formatBytes } from '@madakv/insight';

/** How `--model` of commands that open it is described. */
export const MODEL_FLAG = '--model <model>';
export const MODEL_TEXT = 'checkpoint folder, or org/name[@revision] of the Hugging Face hub';

/**
 * Folder of the model that `--model` names. One of the hub is taken from the cache as it is there, and pulled where it is not.
 * @throws HubError; CheckpointError when its family is not supported
 */
export async function modelFolder(name: string, io: CommandIo): Promise<string> {
  const source = modelSource(name, process.cwd());
  if (source.kind === 'folder') return name;
  return (await pullServed(source.reference, io)).dir;
}

/** Takes what is in the cache, or pulls it, for a name that could have been meant as a folder. */
export async function pullServed(reference: ModelReference, io: CommandIo): Promise<PulledModel> {
  try {
    return await pullShown(reference, hubSettings(), io, { cachedWillDo: true });
  } catch (error) {
    throw orNoFolder(error, referenceText(reference));
  }
}

/** Pulls a model with a progress bar on stderr, once its configuration is known to be supported. */
export async function pullShown(
  reference: ModelReference,
  settings: HubSettings,
  io: CommandIo,
  options: Pick<PullOptions, 'cachedWillDo'> = {},
): Promise<PulledModel> {
  const name = referenceText(reference);
  const progress = new Progress(io.stderr, `pulling ${name}`, undefined, formatBytes);
  try {
    return await pullModel(reference, settings, {
      ...options,
      signal: io.signal,
      check: (dir, has) => {
        checkDescription(dir, has, name);
      },
      onNote: (text) => {
        progress.clear();
        io.stderr.write(`${text}\n`);
      },
      onProgress: ({ doneBytes, totalBytes }) => {
        progress.update(doneBytes, totalBytes);
      },
    });
  } finally {
    progress.clear();
  }
}
