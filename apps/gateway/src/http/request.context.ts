import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { IncomingMessage } from 'node:http';
import type { Caller } from '../auth/api.keys.js';

/** What is known of a request while it is served. */
export interface RequestContext {
  readonly id: string;
  readonly startedMs: number;
  /** From the API key; undefined before it was checked. */
  tenant: string | undefined;
  /** Whose it is, with all that is known of that. */
  caller: Caller | undefined;
  /** Path of the matched route: `/v1/files/:id`. */
  route: string | undefined;
  /** Aborted when the rest of the body is not waited for any more. */
  readonly arrival: AbortController;
}

const contexts = new WeakMap<IncomingMessage, RequestContext>();

export function openContext(request: IncomingMessage, context: RequestContext): void {
  contexts.set(request, context);
}

export function contextOf(request: IncomingMessage): RequestContext {
  const context = contexts.get(request);
  if (context === undefined) throw new Error('the request has no context');
  return context;
}

/** Whose request it is. */
export const Tenant = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { tenant } = contextOf(context.switchToHttp().getRequest<Request>());
  if (tenant === undefined) throw new Error('the route is not behind the API key guard');
  return tenant;
});

/** Whose request it is, and what it may see. */
export const AuthenticatedCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = contextOf(context.switchToHttp().getRequest<Request>());
  if (caller === undefined) throw new Error('the route is not behind the API key guard');
  return caller;
});
