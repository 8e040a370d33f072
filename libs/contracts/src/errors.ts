/**
 * Every error that a caller of the system can meet: what it means over HTTP, and whether the same request may succeed
 * later. Having to wait for room is not among them; that is a value. The finer codes of `libs/documents` stand in an
 * error's `reason`.
 */
export const ERRORS = {
  /** The request breaks a rule of its schema. */
  invalid_request: { status: 400, retryable: false },
  /** A text that should be JSON is not. */
  invalid_json: { status: 400, retryable: false },
  /** Prompt and answer need more positions than the model has. */
  context_length_exceeded: { status: 400, retryable: false },
  /** The cache ratio leaves less than the policy needs. */
  cache_ratio_too_small: { status: 400, retryable: false },
  /** The job needs more cache at its least ratio than any device could ever hold. */
  exceeds_device_memory: { status: 400, retryable: false },
  /** A document, image or URL that cannot be used. `param` names the part, `reason` the code of libs/documents. */
  invalid_document: { status: 400, retryable: false },
  /** The same where trying again may help: a server that did not answer, a rasteriser that died. */
  document_unavailable: { status: 503, retryable: true },
  /** No, or no known, API key. */
  invalid_api_key: { status: 401, retryable: false },
  /** A browser sent it with a session's cookie from another site's page. */
  cross_site_request: { status: 403, retryable: false },
  /** There is no such thing, or it is another tenant's. */
  not_found: { status: 404, retryable: false },
  model_not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  /** The body stopped arriving, or took too long. */
  request_timeout: { status: 408, retryable: true },
  /** What is there does not admit this, such as cancelling a finished batch. */
  conflict: { status: 409, retryable: false },
  /** The body or file is larger than a limit. */
  too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  /** A tenant's rate or quota; Retry-After says when. */
  rate_limit_exceeded: { status: 429, retryable: true },
  /** The caller hung up, or its batch was cancelled. */
  cancelled: { status: 499, retryable: false },
  /** The lease of a running job ended under it: its worker could not renew it in time. */
  lease_lost: { status: 503, retryable: true },
  /** A streamed answer was begun again with other memory, and does not go on where it was. */
  stream_broken: { status: 503, retryable: true },
  /** The memory-budget service, or its Redis, did not answer. */
  budget_unavailable: { status: 503, retryable: true },
  /** Redis or the file store did not answer. */
  storage_unavailable: { status: 503, retryable: true },
  /** The worker ends; another one takes over. */
  worker_stopping: { status: 503, retryable: true },
  /** The engine's thread died under the request. */
  engine_crashed: { status: 503, retryable: true },
  /** No answer in the time allowed. */
  timeout: { status: 504, retryable: true },
  /** A defect of the system. */
  internal_error: { status: 500, retryable: false },
} as const satisfies Record<string, { readonly status: number; readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

export interface MadakvErrorOptions extends ErrorOptions {
  /** Key of the request that is wrong: `messages.0.content.1.file`. */
  readonly param?: string;
  /** Finer code, such as libs/documents' `encrypted_pdf`. */
  readonly reason?: string;
  readonly retryAfterMs?: number;
  /** Does not pass by waiting a little: whoever repeats it at once does so in vain. */
  readonly lasting?: boolean;
}

/** An error with a code of the table above. `message` is for people and carries no document text. */
export class MadakvError extends Error {
  readonly param: string | undefined;
  readonly reason: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly lasting: boolean;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: MadakvErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MadakvError';
    this.param = options.param;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.lasting = options.lasting ?? false;
  }

  get httpStatus(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/**
 * Names and places of an error and its causes, for logs. Messages are left out, as they may quote a document (those of
 * JSON.parse do); a MadakvError's is written to be read and stays.
 */
export function errorTrail(error: unknown): string {
  if (!(error instanceof Error)) return `a thrown ${typeof error}`;
  const places = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const head = error instanceof MadakvError ? `${error.name} ${error.code}: ${error.message}` : error.name;
  const trail = [head, ...places].join('\n');
  return error.cause === undefined ? trail : `${trail}\ncaused by ${errorTrail(error.cause)}`;
}
