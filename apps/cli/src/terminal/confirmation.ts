import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';

/**
 * Asks whoever sits at the terminal.
 * @returns whether the answer was yes
 * @throws UsageError when nobody can be asked; the signal's reason when told to stop
 */
export async function confirmed(
  question: string,
  io: Pick<CommandIo, 'stdin' | 'stderr' | 'signal'>,
): Promise<boolean> {
  if (io.stdin.isTTY !== true) throw new UsageError(`${question} Standard input is no terminal; say so with --yes`);
  io.stderr.write(`${question} [y/N] `);
  const answer = await Promise.race([firstLine(io.stdin), aborted(io.signal)]);
  return /^\s*y(es)?\s*$/i.test(answer);
}

async function firstLine(stdin: CommandIo['stdin']): Promise<string> {
  let text = '';
  for await (const piece of stdin) {
    text += Buffer.from(piece as Uint8Array).toString();
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0];
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
