import { hubSettings, modelSource, pullModel, referenceText, type HubSettings, type PullProgress } from '@madakv/hub';
import { checkDescription } from '@madakv/models';

/** Between two lines of the log about a pull, in milliseconds. */
const LOG_EVERY_MS = 10_000;

export interface FindingListener {
  /** Told when a pull begins and how far it has come. */
  readonly onProgress: (progress: PullProgress) => void;
  readonly log: (text: string) => void;
}

/**
 * Folder of the model that `MADAKV_MODEL` names. One of the hub is taken from the cache as it is there, whatever the hub has
 * by now: workers that start at different times serve the same. Where it is not there it is pulled, by one worker of a machine.
 * @param name a folder, or `org/name[@revision]`
 * @throws HubError, CheckpointError; the signal's reason
 */
export async function findModel(
  name: string,
  { onProgress, log }: FindingListener,
  signal: AbortSignal,
  settings: HubSettings = hubSettings(),
): Promise<string> {
  const source = modelSource(name, process.cwd());
  if (source.kind === 'folder') return name;
  const shown = referenceText(source.reference);
  let loggedAt = -Infinity;
  const { dir, fetchedBytes } = await pullModel(source.reference, settings, {
    cachedWillDo: true,
    signal,
    check: (folder, has) => {
      checkDescription(folder, has, shown);
    },
    onNote: log,
    onProgress: (progress) => {
      onProgress(progress);
      const now = performance.now();
      if (now - loggedAt < LOG_EVERY_MS) return;
      loggedAt = now;
      log(`pulling ${shown}: ${mib(progress.doneBytes)} of ${mib(progress.totalBytes)} MiB`);
    },
  });
  log(fetchedBytes === 0 ? `${shown} is ${dir}` : `${shown} was pulled to ${dir}: ${mib(fetchedBytes)} MiB`);
  return dir;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);
}
