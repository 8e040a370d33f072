import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { contextOf } from './request.context.js';

/** Notes which route was matched, for log and span. It comes before the other guards and admits everyone. */
@Injectable()
export class RouteGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    const { path } = request.route as { readonly path?: string };
    contextOf(request).route = path;
    return true;
  }
}
