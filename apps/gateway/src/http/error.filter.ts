import { errorTrail, MadakvError } from '@madakv/contracts';
import {
  Catch,
  Inject,
  Injectable,
  Logger,
  NotFoundException,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { toMadakvError } from './error.mapping.js';
import { sendError } from './error.response.js';
import { contextOf } from './request.context.js';
import { RouteTable } from './route.table.js';

/** The one place where errors become responses. */
@Catch()
@Injectable()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  constructor(@Inject(RouteTable) private readonly routes: RouteTable) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const error = thrown instanceof NotFoundException ? this.unmatched(request, response) : toMadakvError(thrown);
    if (error.httpStatus >= 500) this.report(error, thrown, contextOf(request).id);
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    sendError(response, error);
  }

  /** Nest throws NotFoundException where no route matches, and this program never does. */
  private unmatched(request: Request, response: Response): MadakvError {
    const allowed = this.routes.methodsOf(request.path);
    if (allowed.length === 0) {
      const meant = this.routes.meantBy(request.path);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      return new MadakvError('not_found', `Invalid URL (${request.method} ${request.path})${hint}`);
    }
    response.setHeader('allow', allowed.join(', '));
    return new MadakvError(
      'method_not_allowed',
      `Not allowed to ${request.method} on ${request.path} (HINT: ${allowed.join(', ')})`,
    );
  }

  private report(error: MadakvError, thrown: unknown, requestId: string): void {
    const details = { message: error.message, code: error.code, requestId, error: errorTrail(thrown) };
    if (error.code === 'internal_error') this.logger.error(details);
    else this.logger.warn(details);
  }
}
