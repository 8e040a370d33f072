import { currentTraceparent, withHeaders, withSpan } from '@madakv/telemetry';
import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import { defer, lastValueFrom, type Observable } from 'rxjs';
import { toMadakvError } from './error.mapping.js';
import { contextOf } from './request.context.js';

/** The root span of a request, in the trace that its headers carry; the response names it. */
@Injectable()
export class SpanInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Request>();
    const response = context.switchToHttp().getResponse<Response>();
    return defer(() => withHeaders(request.headers, () => this.span(request, response, next)));
  }

  private span(request: Request, response: Response, next: CallHandler): Promise<unknown> {
    const { tenant, route } = contextOf(request);
    const { method, path, protocol } = request;
    const attributes = { httpMethod: method, httpRoute: route, urlPath: path, urlScheme: protocol, tenant };
    return withSpan('http', { of: `${method} ${route ?? ''}`.trim(), attributes }, async (span) => {
      const traceparent = currentTraceparent();
      if (traceparent !== undefined && !response.headersSent) response.setHeader('traceparent', traceparent);
      try {
        const body: unknown = await lastValueFrom(next.handle(), { defaultValue: undefined });
        span.set({ httpStatus: response.statusCode });
        if (response.statusCode >= 500) span.fail(new Error(`status ${response.statusCode}`));
        return body;
      } catch (error) {
        const { httpStatus } = toMadakvError(error);
        span.set({ httpStatus });
        throw error;
      }
    });
  }
}
