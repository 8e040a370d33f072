import { errorBody, type MadakvError } from '@madakv/contracts';
import type { Response } from 'express';

/** Whether the official clients shall repeat the request. What took too long would take as long once more. */
function shouldRetry({ code, retryable, lasting }: MadakvError): boolean {
  return retryable && code !== 'timeout' && !lasting;
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
