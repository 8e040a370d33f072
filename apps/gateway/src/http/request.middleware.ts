import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { randomUUID } from 'node:crypto';
import { openContext, type RequestContext } from './request.context.js';

/** Ids that callers may choose themselves: what can stand in a header and a log without harm. */
const SANE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

const logger = new Logger('Http');

/** Gives every request its id, and logs it when its response has ended. Neither bodies nor queries are logged. */
export function requestMiddleware(request: Request, response: Response, next: NextFunction): void {
  const given = request.headers['x-request-id'];
  const context: RequestContext = {
    id: typeof given === 'string' && SANE_ID.test(given) ? given : `req_${randomUUID().replaceAll('-', '')}`,
    startedMs: performance.now(),
    tenant: undefined,
    caller: undefined,
    route: undefined,
    arrival: new AbortController(),
  };
  openContext(request, context);
  response.setHeader('x-request-id', context.id);
  response.setHeader('cache-control', 'no-store');
  response.once('close', () => {
    logger.log({
      message: 'request',
      method: request.method,
      route: context.route ?? null,
      status: response.writableFinished ? response.statusCode : 499,
      ms: Math.round(performance.now() - context.startedMs),
      tenant: context.tenant ?? null,
      requestId: context.id,
    });
  });
  next();
}
