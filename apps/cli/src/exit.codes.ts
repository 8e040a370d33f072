/** What the command's exit code says; documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** Something failed while running: model folder, device, memory, disk. */
  failure: 1,
  /** The command line, or the request it names, cannot be carried out as it is. */
  usage: 2,
  interrupted: 130,
  terminated: 143,
} as const;

/** The caller's mistake, in the command line or in the request. The message names what was given and what would do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was told to stop by a signal. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';

  constructor(readonly signal: 'SIGINT' | 'SIGTERM') {
    super(signal === 'SIGINT' ? 'interrupted' : 'terminated');
  }

  get exitCode(): number {
    return this.signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  }
}

/** Nobody reads the output any more. */
export class BrokenPipeError extends Error {
  override readonly name = 'BrokenPipeError';
}
