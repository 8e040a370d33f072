/**
 * Every error that a caller of the system can meet: what it means over HTTP, and whether the same request may succeed
 * later. Having to wait for room is not among them; that is a value.
 */
export const ERRORS = {
  /** The request breaks a rule of its schema. */
  invalid_request: { status: 400, retryable: false },
  /** The job needs more cache at its least ratio than any device could ever hold. */
  exceeds_device_memory: { status: 400, retryable: false },
  /** The lease of a running job ended under it: its worker could not renew it in time. */
  lease_lost: { status: 503, retryable: true },
  /** The memory-budget service, or its Redis, did not answer. */
  budget_unavailable: { status: 503, retryable: true },
  /** A defect of the system. */
  internal_error: { status: 500, retryable: false },
} as const satisfies Record<string, { readonly status: number; readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code of the table above. `message` is for people and carries no document text. */
export class MadakvError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'MadakvError';
  }

  get httpStatus(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}
