import { MadakvError } from '@madakv/contracts';
import type { Request, Response } from 'express';

/** Its value is 256 random bits; Redis knows their hash. */
export const SESSION_COOKIE = 'madakv_session';

/** Methods that change nothing. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The session's token that the browser sent, if it did. */
export function sessionToken({ headers }: Request): string | undefined {
  for (const pair of headers.cookie?.split(';') ?? []) {
    const [name, value = ''] = pair.trim().split('=', 2);
    if (name === SESSION_COOKIE && value !== '') return value;
  }
  return undefined;
}

/** Scripts cannot read it, other sites' pages do not send it, and behind TLS it goes nowhere without. */
export function setSessionCookie(request: Request, response: Response, token: string, maxAge: number): void {
  response.cookie(SESSION_COOKIE, token, { ...attributes(request), maxAge });
}

export function clearSessionCookie(request: Request, response: Response): void {
  response.clearCookie(SESSION_COOKIE, attributes(request));
}

function attributes(request: Request) {
  return { httpOnly: true, sameSite: 'strict', path: '/', secure: isSecure(request) } as const;
}

/** TLS ends in front of the gateway, and what stands there says so. Whoever says it falsely only hurts itself. */
function isSecure(request: Request): boolean {
  const [first = ''] = (request.header('x-forwarded-proto') ?? request.protocol).split(',');
  return first.trim().toLowerCase() === 'https';
}

/**
 * A request with a cookie that changes something must come from a page of this host: SameSite alone would let a neighbouring host in.
 * @throws MadakvError cross_site_request
 */
export function checkSameOrigin(request: Request): void {
  if (SAFE.has(request.method)) return;
  const origin = request.header('origin');
  const [host = ''] = (request.header('x-forwarded-host') ?? request.header('host') ?? '').split(',');
  const own =
    origin === undefined ? request.header('sec-fetch-site') === 'same-origin' : hostOf(origin) === host.trim();
  if (own) return;
  throw new MadakvError(
    'cross_site_request',
    `A session's cookie changes nothing from another site's page (Origin: ${origin?.slice(0, 128) ?? 'none'}).`,
  );
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
