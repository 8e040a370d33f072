import { errorBody, type MadakvError } from '@madakv/contracts';
import type { Response } from 'express';

/** Limits that do not pass by waiting a little: the official clients would only repeat in vain. */
const LASTING: ReadonlySet<string | undefined> = new Set([
  'storage_quota_exceeded',
  'batch_lines_exceeded',
  'tokens_per_day_exceeded',
]);

/** Whether the official clients shall repeat the request. What took too long would take as long once more. */
function shouldRetry({ code, retryable, reason }: MadakvError): boolean {
  return retryable && code !== 'timeout' && !LASTING.has(reason);
}

/** Answers with OpenAI's error body and the headers by which its clients decide whether and when to try again. */
export function sendError(response: Response, error: MadakvError): void {
  if (error.retryAfterMs !== undefined) {
    response.setHeader('retry-after', Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
    response.setHeader('retry-after-ms', Math.ceil(error.retryAfterMs));
  }
  response.setHeader('x-should-retry', String(shouldRetry(error)));
  // The rest of a body that was given up on cannot be told from a next request.
  if (error.code === 'request_timeout') response.setHeader('connection', 'close');
  response.status(error.httpStatus).json(errorBody(error));
}
