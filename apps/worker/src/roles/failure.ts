import { MadakvError } from '@madakv/contracts';
import { StorageError } from '@madakv/storage';

/** An error that trying again would not mend, although its code says that it may pass. */
export class FinalError extends Error {
  override readonly name = 'FinalError';

  constructor(readonly error: MadakvError) {
    super(error.message, { cause: error });
  }
}

/** Names of what ioredis throws while Redis is away. */
const CONNECTION_ERRORS = /^Connection is closed|ECONNREFUSED|ECONNRESET|ETIMEDOUT|max retries per request/;

/** Any error of the work on a request as one that a caller can be told. */
export function asMadakvError(error: unknown): MadakvError {
  if (error instanceof MadakvError) return error;
  if (error instanceof FinalError) return error.error;
  if (error instanceof StorageError && error.retryable) {
    return new MadakvError('storage_unavailable', `the file store did not answer: ${error.message}`, { cause: error });
  }
  if (error instanceof Error && CONNECTION_ERRORS.test(error.message)) {
    return new MadakvError('storage_unavailable', 'Redis did not answer', { cause: error });
  }
  return new MadakvError('internal_error', 'the request failed for a reason of the system', { cause: error });
}
