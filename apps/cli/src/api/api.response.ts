import { ErrorBodySchema } from '@madakv/contracts';
import { ApiError, UnexpectedAnswerError } from './api.errors.js';

/** What a response with a status of 400 or more says. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  const body = ErrorBodySchema.safeParse(parsed(text));
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
  const pauseS = Number.isFinite(retryAfter) ? retryAfter : undefined;
  if (!body.success) {
    return new ApiError(`the server answered ${response.status} ${response.statusText}`, response.status, null, pauseS);
  }
  const { message, code } = body.data.error;
  const shown = `${message} (${response.status}${code === null ? '' : ` ${code}`})`;
  const isLasting = response.headers.get('x-should-retry') === 'false';
  return new ApiError(shown, response.status, code, pauseS, message, isLasting);
}

/** @throws UnexpectedAnswerError when there is none */
export function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  if (response.body === null) throw new UnexpectedAnswerError('the server sent an answer without content');
  return response.body;
}

/** Undefined where the text is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
