import { MadakvError, type ErrorCode } from '@madakv/contracts';
import { DocumentError } from '@madakv/documents';
import { StorageError } from '@madakv/storage';
import { HttpException } from '@nestjs/common';

const BY_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'invalid_request'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [408, 'request_timeout'],
  [413, 'too_large'],
  [415, 'unsupported_media_type'],
]);

/** What Redis and its client say while it is away, starting, full, or read-only. */
const REDIS_AWAY =
  /^(LOADING|READONLY|OOM|MISCONF|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b|Connection is closed|max retries per request|Stream isn't writeable|Command timed out|^(connect )?(ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENOTFOUND)/;

/** Any error as one that callers may see. What is not foreseen is a defect, of which they see nothing. */
export function toMadakvError(error: unknown): MadakvError {
  if (error instanceof MadakvError) return error;
  if (error instanceof StorageError) return ofStorage(error);
  if (error instanceof DocumentError) {
    const code = error.retryable ? 'document_unavailable' : 'invalid_document';
    return new MadakvError(code, error.message, { reason: error.code, cause: error });
  }
  if (error instanceof HttpException) {
    const code = BY_STATUS.get(error.getStatus());
    if (code !== undefined) return new MadakvError(code, error.message, { cause: error });
  }
  if (error instanceof Error && REDIS_AWAY.test(error.message)) {
    return new MadakvError('storage_unavailable', 'Redis does not answer; try again', { cause: error });
  }
  return new MadakvError('internal_error', 'an error of the system; its log has the details', { cause: error });
}

function ofStorage(error: StorageError): MadakvError {
  switch (error.code) {
    case 'not_found':
      return new MadakvError('not_found', 'the content of this is gone', { cause: error });
    case 'too_large':
      return new MadakvError('too_large', error.message, { cause: error });
    case 'storage_failed':
      return new MadakvError('storage_unavailable', 'the file store does not answer; try again', { cause: error });
    default:
      return new MadakvError('internal_error', 'an error of the system; its log has the details', { cause: error });
  }
}
