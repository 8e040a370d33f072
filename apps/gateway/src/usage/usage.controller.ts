import { MadakvError } from '@madakv/contracts';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { z } from 'zod';
import type { Caller } from '../auth/api.keys.js';
import { CheckedQuery } from '../http/checked.query.js';
import { AuthenticatedCaller } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { usageQuery, UsageQuerySchema } from './usage.query.js';
import { UsageService } from './usage.service.js';
import { usageTable } from './usage.table.js';

@Controller('v1/usage')
export class UsageController {
  constructor(@Inject(UsageService) private readonly usage: UsageService) {}

  @Get()
  @ApiRoute({
    tag: 'Usage',
    summary: 'What was used, by day',
    description:
      'Requests, tokens and bytes of caches for each day (UTC) of the last 92, and what may still be used. With `format=csv` the rows as a table.',
    query: UsageQuerySchema,
    response: { 'application/json': 'UsageReport', 'text/csv': undefined },
    errors: ['invalid_request', 'not_found'],
  })
  async getUsage(
    @AuthenticatedCaller() caller: Caller,
    @CheckedQuery(UsageQuerySchema) asked: z.output<typeof UsageQuerySchema>,
    @Res() response: Response,
  ): Promise<void> {
    const query = usageQuery(asked, Date.now());
    if ('wrong' in query) throw new MadakvError('invalid_request', `${query.message}.`, { param: query.wrong });
    const report = await this.usage.report(caller, query);
    if (asked.format === 'json') {
      response.json(report);
      return;
    }
    response.attachment(`usage-${report.start}-${report.end}.csv`);
    response.set('content-type', 'text/csv; charset=utf-8');
    response.send(usageTable(report));
  }
}
