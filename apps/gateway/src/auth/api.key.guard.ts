import { MadakvError } from '@madakv/contracts';
import { Records } from '@madakv/records';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { contextOf } from '../http/request.context.js';
import { ApiKeys, type Caller } from './api.keys.js';
import { isOpenRoute } from './open.route.js';
import { checkSameOrigin, sessionToken } from './session.cookie.js';

/** Finds out whose request it is: by its key, or by the session of a browser. Every route of the API is behind it. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Records) private readonly records: Records,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isOpenRoute(this.reflector, context)) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const { authorization } = request.headers;
    const key = authorization === undefined ? undefined : bearerToken(authorization);
    const caller = key === undefined ? await this.withoutKey(request) : this.keys.callerOf(key);
    if (caller === undefined) {
      throw new MadakvError(
        'invalid_api_key',
        key === undefined
          ? 'You did not provide an API key. Send it in the header "Authorization: Bearer KEY".'
          : `Incorrect API key provided: ${masked(key)}.`,
      );
    }
    const known = contextOf(request);
    known.tenant = caller.tenant;
    known.caller = caller;
    return true;
  }

  /** @throws MadakvError cross_site_request */
  private async withoutKey(request: Request): Promise<Caller | undefined> {
    const token = sessionToken(request);
    const session = token === undefined ? undefined : await this.records.sessions.find(token);
    if (token === undefined || session === undefined) return this.keys.callerOf(undefined);
    checkSameOrigin(request);
    const caller = this.keys.sessionCaller(session.keySha256);
    // Its key was taken back, or is another tenant's now.
    if (caller?.tenant === session.tenant) return caller;
    await this.records.sessions.close(token);
    return undefined;
  }
}

/** @throws MadakvError invalid_api_key */
function bearerToken(authorization: string): string {
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token !== undefined) return token;
  throw new MadakvError('invalid_api_key', 'The header Authorization is not "Bearer KEY".');
}

/** Enough to tell which key it was. */
export function masked(key: string): string {
  return key.length < 16 ? '****' : `${key.slice(0, 3)}****${key.slice(-4)}`;
}
