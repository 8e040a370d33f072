import { errorBody, type MadakvError } from '@madakv/contracts';
import type { Response } from 'express';

/** Limits that do not pass by waiting a little: the official clients would only repeat in vain. */
const LASTING: ReadonlySet<string | undefined> = new Set(['storage_quota_exceeded', 'batch_lines_exceeded']);

/** Answers with OpenAI's error body and the headers by which its clients decide whether and when to try again. */
export function sendError(response: Response, error: MadakvError): void {
  if (error.retryAfterMs !== undefined) {
    response.setHeader('retry-after', Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
    response.setHeader('retry-after-ms', Math.ceil(error.retryAfterMs));
  }
  response.setHeader('x-should-retry', String(error.retryable && !LASTING.has(error.reason)));
  response.status(error.httpStatus).json(errorBody(error));
}
