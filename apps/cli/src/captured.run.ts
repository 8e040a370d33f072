import { run } from './main.js';

/** Work that is over soon shows no progress; on a slow or busy machine none is. */
const PROGRESS =
  /^(?:(?:building the model|measuring layers|reading the prompt|uploading documents): \d+ of \d+|pulling \S+: [\d.]+ \w+ of [\d.]+ \w+|[\d,]+\/[\d,]+ answers), .*\n/gm;

export interface CapturedRun {
  readonly code: number;
  readonly stdout: string;
  /** Without lines of progress. */
  readonly stderr: string;
}

export interface RunSettings {
  readonly stdin?: string | AsyncIterable<Uint8Array>;
  /** Standard input is a terminal, at which somebody sits. */
  readonly isTerminal?: boolean;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** Told of each piece of output as it is written. */
  readonly onOutput?: (text: string) => void;
}

/** Runs the command inside this process and captures what it writes; for tests. */
export async function captureRun(args: readonly string[], settings: RunSettings = {}): Promise<CapturedRun> {
  let [stdout, stderr] = ['', ''];
  const code = await run(args, {
    stdin: Object.assign(typeof settings.stdin === 'object' ? settings.stdin : text(settings.stdin ?? ''), {
      isTTY: settings.isTerminal === true,
    }),
    stdout: {
      write: (piece) => {
        stdout += piece;
        settings.onOutput?.(piece);
      },
    },
    stderr: {
      write: (piece) => {
        stderr += piece;
      },
    },
    cwd: settings.cwd ?? process.cwd(),
    signal: settings.signal ?? new AbortController().signal,
  });
  return { code, stdout, stderr: withoutProgress(stderr) };
}

/** What was written to standard error but lines of progress. */
export function withoutProgress(stderr: string): string {
  return stderr.replace(PROGRESS, '');
}

async function* text(content: string): AsyncGenerator<Uint8Array> {
  // Two pieces, the cut possibly inside of a character, as pipes do.
  const bytes = Buffer.from(content);
  await Promise.resolve();
  yield bytes.subarray(0, bytes.length >> 1);
  yield bytes.subarray(bytes.length >> 1);
}
