import { CommanderError } from 'commander';
import type { CommandIo } from './command.io.js';
import { errorText, exitCodeOf } from './error.line.js';
import { BrokenPipeError, EXIT, InterruptedError } from './exit.codes.js';
import { madakvProgram } from './madakv.program.js';
import { explainLaunch } from './system/launch.explanation.js';

/**
 * Runs the command on arguments (without node and script).
 * @returns the exit code; errors have been written to `io.stderr` as one line
 */
export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const program = madakvProgram(io);
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    // A command that was told to stop fails in many ways; the reason is what counts.
    const stopped = io.signal.aborted && !(error instanceof CommanderError);
    const cause: unknown = stopped ? io.signal.reason : explainLaunch(error);
    const text = errorText(cause, program.opts<{ verbose?: boolean }>().verbose === true);
    if (text !== '') io.stderr.write(text);
    return exitCodeOf(cause);
  }
}

/** Runs the command as this process. The first signal stops it cleanly, a second one at once. */
export async function runProcess(): Promise<void> {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const reason = new InterruptedError(name);
      if (controller.signal.aborted) process.exit(reason.exitCode);
      controller.abort(reason);
    });
  }
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      controller.abort(new BrokenPipeError());
    });
  }
  const { stdin, stdout, stderr } = process;
  process.exitCode = await run(process.argv.slice(2), {
    stdin: stdin as AsyncIterable<Uint8Array>,
    stdout,
    stderr,
    cwd: process.cwd(),
    signal: controller.signal,
  });
  // Input that nobody waits for any more must not keep the process.
  stdin.destroy();
}
