/** What the gateway refused, in its own words. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Told when a session is over, so that the page can ask for a key again. */
export const signedOut = new EventTarget();

/** @throws ApiError; TypeError where the gateway does not answer */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { credentials: 'same-origin', ...init });
  if (response.ok) return response;
  const error = await errorOf(response);
  if (response.status === 401 && path !== '/v1/session') signedOut.dispatchEvent(new Event('signedout'));
  throw error;
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await send(path, signal === undefined ? {} : { signal })).json()) as T;
}

export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(body) };
  return (await (await send(path, signal === undefined ? init : { ...init, signal })).json()) as T;
}

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: { code: string | null; message: string } };
    return new ApiError(response.status, error.code ?? 'error', error.message);
  } catch {
    return new ApiError(response.status, 'error', `The server answered ${response.status}.`);
  }
}

/** Whether it says that nobody is signed in. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** An error in words for people. */
export function errorText(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return 'The server does not answer.';
  return error instanceof Error ? error.message : String(error);
}

/** Path with a query of what is not undefined. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | null | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === null || value === '' ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs).toString()}`;
}
