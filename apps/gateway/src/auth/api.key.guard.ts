import { MadakvError } from '@madakv/contracts';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { contextOf } from '../http/request.context.js';
import { ApiKeys } from './api.keys.js';

/** Finds out whose request it is. Every route of the API is behind it. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(@Inject(ApiKeys) private readonly keys: ApiKeys) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    const { authorization } = request.headers;
    const key = authorization === undefined ? undefined : bearerToken(authorization);
    const tenant = this.keys.tenantOf(key);
    if (tenant === undefined) {
      throw new MadakvError(
        'invalid_api_key',
        key === undefined
          ? 'You did not provide an API key. Send it in the header "Authorization: Bearer KEY".'
          : `Incorrect API key provided: ${masked(key)}.`,
      );
    }
    contextOf(request).tenant = tenant;
    return true;
  }
}

/** @throws MadakvError invalid_api_key */
function bearerToken(authorization: string): string {
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token !== undefined) return token;
  throw new MadakvError('invalid_api_key', 'The header Authorization is not "Bearer KEY".');
}

/** Enough to tell which key it was. */
function masked(key: string): string {
  return key.length < 16 ? '****' : `${key.slice(0, 3)}****${key.slice(-4)}`;
}
