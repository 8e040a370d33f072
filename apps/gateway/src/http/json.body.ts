import { MadakvError } from '@madakv/contracts';
import {
  createParamDecorator,
  Inject,
  Injectable,
  mixin,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Observable } from 'rxjs';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { decodeBody } from './body.text.js';
import { orGiveUp } from './stalled.connections.js';

/** Reads the body as text, once the caller is known and its rate admits it. @param limitOf largest body, in bytes */
export function JsonBody(limitOf: (settings: GatewaySettings) => number): Type<NestInterceptor> {
  @Injectable()
  class JsonBodyInterceptor implements NestInterceptor {
    private readonly limit: number;
    private readonly parse: RequestHandler;

    constructor(@Inject(SETTINGS) settings: GatewaySettings) {
      this.limit = limitOf(settings);
      this.parse = express.raw({ type: ['json', '+json'], limit: this.limit });
    }

    async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
      const request = context.switchToHttp().getRequest<Request>();
      const response = context.switchToHttp().getResponse<Response>();
      await new Promise<void>((resolve, reject) => {
        orGiveUp(request, reject);
        this.parse(request, response, (error?: unknown) => {
          if (error === undefined) resolve();
          else reject(bodyError(error as BodyParserError, this.limit));
        });
      });
      const { body: bytes } = request as { readonly body: unknown };
      if (bytes instanceof Uint8Array) request.body = decodeBody(bytes, request.headers['content-type']);
      else if (request.is('json') === false) {
        throw new MadakvError('unsupported_media_type', 'The body must be JSON, with Content-Type: application/json.');
      }
      return next.handle();
    }
  }
  return mixin(JsonBodyInterceptor);
}

/** The text of the body; empty where there is none. */
export function bodyText(request: Request): string {
  const { body } = request as { readonly body: unknown };
  return typeof body === 'string' ? body : '';
}

/** The same, which the request no longer has afterwards. */
export function takeBody(request: Request): string {
  const text = bodyText(request);
  request.body = undefined;
  return text;
}

/** The text of the body, for a handler. */
export const BodyText = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  bodyText(context.switchToHttp().getRequest<Request>()),
);

interface BodyParserError extends Error {
  readonly type?: string;
  readonly status?: number;
}

function bodyError(error: BodyParserError, limit: number): MadakvError {
  if (error.status === 413) {
    return new MadakvError('too_large', `The body is larger than the limit of ${limit} bytes.`, { cause: error });
  }
  const code = error.status === 415 ? 'unsupported_media_type' : 'invalid_request';
  return new MadakvError(code, `The body cannot be read: ${error.message}.`, { cause: error });
}
