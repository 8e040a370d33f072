import {
  CreateSessionSchema,
  MadakvError,
  parseJson,
  type SessionLinkObject,
  type SessionObject,
} from '@madakv/contracts';
import { Records } from '@madakv/records';
import { Controller, Delete, Get, HttpCode, Inject, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Request, Response } from 'express';
import { checked } from '../http/checked.query.js';
import { BodyText, JsonBody } from '../http/json.body.js';
import { AuthenticatedCaller } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { masked } from './api.key.guard.js';
import { ApiKeys, type Caller } from './api.keys.js';
import { OpenRoute } from './open.route.js';
import { checkSameOrigin, clearSessionCookie, sessionToken, setSessionCookie } from './session.cookie.js';

const MAX_BODY = 4 * 1024;
/** A working day, in milliseconds; a link is as good for as long, once. */
const SESSION_MS = 12 * 3_600_000;

/** Sign-in of the page. Programs send their key with each request instead. */
@Controller('v1/session')
export class SessionsController {
  constructor(
    @Inject(ApiKeys) private readonly keys: ApiKeys,
    @Inject(Records) private readonly records: Records,
  ) {}

  @Post()
  @HttpCode(200)
  @OpenRoute()
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Session',
    summary: 'Sign a browser in',
    description:
      'By an API key, or by the token of a link, which serves once. The answer sets a cookie that scripts cannot read, for 12 hours.',
    body: { schema: 'CreateSession' },
    response: { 'application/json': 'Session' },
    errors: ['invalid_request', 'invalid_json', 'cross_site_request', 'too_large', 'unsupported_media_type'],
    open: true,
  })
  async signIn(
    @BodyText() text: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SessionObject> {
    // Nobody is to be signed in as somebody else by a page of theirs.
    if (request.header('origin') !== undefined) checkSameOrigin(request);
    const body = checked(CreateSessionSchema, parseJson(text));
    const caller = 'api_key' in body ? this.byKey(body.api_key) : await this.byLink(body.link);
    const { tenant, keySha256 } = caller;
    const { token, record } = await this.records.sessions.open({ tenant, keySha256 }, SESSION_MS);
    setSessionCookie(request, response, token, SESSION_MS);
    return sessionObject(caller, record.expiresAtMs);
  }

  @Get()
  @ApiRoute({ tag: 'Session', summary: 'Who the caller is', response: { 'application/json': 'Session' } })
  async getSession(@AuthenticatedCaller() caller: Caller, @Req() request: Request): Promise<SessionObject> {
    const token = request.headers.authorization === undefined ? sessionToken(request) : undefined;
    const session = token === undefined ? undefined : await this.records.sessions.find(token);
    return sessionObject(caller, session?.expiresAtMs);
  }

  @Delete()
  @ApiRoute({
    tag: 'Session',
    summary: 'Sign the browser out',
    response: { 'application/json': 'Session' },
    errors: ['cross_site_request'],
  })
  async signOut(
    @AuthenticatedCaller() caller: Caller,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SessionObject> {
    const token = sessionToken(request);
    if (token !== undefined) await this.records.sessions.close(token);
    clearSessionCookie(request, response);
    return sessionObject(caller, undefined);
  }

  @Post('links')
  @HttpCode(200)
  @ApiRoute({
    tag: 'Session',
    summary: 'Make a link that signs in once',
    description: 'For whoever has the key of this request. It is good for 12 hours, and for the first who opens it.',
    response: { 'application/json': 'SessionLink' },
    errors: ['cross_site_request'],
  })
  async createLink(@AuthenticatedCaller() { tenant, keySha256 }: Caller): Promise<SessionLinkObject> {
    const { token, record } = await this.records.sessions.link({ tenant, keySha256 }, SESSION_MS);
    const expires_at = Math.floor(record.expiresAtMs / 1000);
    return { object: 'session.link', token, path: `/#link=${token}`, expires_at };
  }

  private byKey(key: string): Caller {
    const caller = this.keys.callerOf(key.trim());
    if (caller !== undefined) return caller;
    throw new MadakvError('invalid_api_key', `Incorrect API key provided: ${masked(key.trim())}.`);
  }

  private async byLink(token: string): Promise<Caller> {
    const session = await this.records.sessions.redeem(token);
    const caller = session === undefined ? undefined : this.keys.sessionCaller(session.keySha256);
    if (caller !== undefined && caller.tenant === session?.tenant) return caller;
    throw new MadakvError('invalid_api_key', 'This link has been used or is too old. Sign in with an API key.');
  }
}

function sessionObject({ tenant, operator }: Caller, expiresAtMs: number | undefined): SessionObject {
  const expires_at = expiresAtMs === undefined ? null : Math.floor(expiresAtMs / 1000);
  return { object: 'session', tenant, operator, expires_at };
}
