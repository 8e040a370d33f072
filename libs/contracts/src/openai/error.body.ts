import { z } from 'zod';
import type { MadakvError } from '../errors.js';

/** OpenAI's error body. */
export const ErrorBodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});
export type ErrorBody = z.infer<typeof ErrorBodySchema>;

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** @param status of the HTTP response, 400 to 599 */
export function errorType(status: number): string {
  return TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
}

/** The finer code, where there is one, is the code that callers see: `encrypted_pdf`. */
export function errorBody({ message, code, reason, param, httpStatus }: MadakvError): ErrorBody {
  return { error: { message, type: errorType(httpStatus), param: param ?? null, code: reason ?? code } };
}
