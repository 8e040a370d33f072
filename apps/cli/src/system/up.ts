import { dataFolderPath, LocalSystem, type LocalSystemOptions } from '@madakv/launcher';
import { ApiClient } from '../api/api.client.js';
import type { CommandIo } from '../command.io.js';
import { invocation, shellWord } from '../invocation.js';
import { SystemNotes, type NotesOptions } from './system.notes.js';

/**
 * Runs a system until it is told to stop, which is how it is meant to end.
 * @throws ProcessEndedError when a process does not stay up
 */
export async function up(options: LocalSystemOptions, logs: NotesOptions['logs'], io: CommandIo): Promise<void> {
  const notes = new SystemNotes(io, { logs });
  try {
    const system = await LocalSystem.start({ ...options, onLine: notes.onLine, onNote: notes.onNote });
    try {
      const { url, apiKey } = system;
      const page = await new ApiClient({ url, apiKey, signal: io.signal }).pageLink();
      io.stdout.write(welcome(system, page, options, io));
      const failure = await Promise.race([system.failure, aborted(io.signal)]);
      if (failure !== undefined) throw failure;
    } finally {
      await system.stop();
    }
  } finally {
    notes.clear();
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const stop = (): void => {
      resolve(undefined);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

function welcome(
  { url, apiKey, model }: LocalSystem,
  page: string,
  { dataFolder }: LocalSystemOptions,
  { cwd }: Pick<CommandIo, 'cwd'>,
): string {
  // Commands look where they would start one themselves.
  const where = dataFolder === dataFolderPath(undefined, cwd) ? '' : ` --data ${shellWord(dataFolder)}`;
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
  return `
madakv is up.

  page     ${page}
           (signs in once; afterwards at ${url} with the key)
  API      ${url}/v1
  key      ${apiKey}
  data     ${dataFolder}

  export OPENAI_BASE_URL=${url}/v1 OPENAI_API_KEY=${apiKey}
  curl ${url}/v1/chat/completions -H "Authorization: Bearer ${apiKey}" \\
    -H 'Content-Type: application/json' -d '${body}'

  In another terminal:
  ${invocation(`ask document.pdf "What is the total?"${where}`)}
  Ctrl-C ends everything.

`;
}
