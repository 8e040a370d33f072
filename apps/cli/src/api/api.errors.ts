import { invocation } from '../invocation.js';

/** The server answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfterS?: number,
    /** The server's own words. */
    readonly said: string = message,
    /** The server says that the same call will not pass by being repeated. */
    readonly isLasting = false,
  ) {
    super(message);
  }
}

/**
 * What to do when there is no server.
 * @param startsLocal whether the command can start one itself, with --local
 * @param up the command that starts one where this command looks
 */
export function howToServe(startsLocal: boolean, up = 'up'): string {
  return (
    `start one with \`${invocation(up)}\`, ${startsLocal ? 'add --local, ' : ''}` +
    'or name another address with --url or MADAKV_URL'
  );
}

/** Nobody answers at the address. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  /** @param startsLocal whether the command can start a server itself, with --local */
  constructor(
    readonly url: string,
    startsLocal: boolean,
    options: ErrorOptions,
  ) {
    super(`no server answers at ${url} (${reasonOf(options.cause)}); ${howToServe(startsLocal)}`, options);
  }
}

/** The server answered with something that it should not. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';
}

/** fetch hides why in causes; a host with several addresses in a list of them. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
