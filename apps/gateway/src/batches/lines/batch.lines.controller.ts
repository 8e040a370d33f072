import {
  errorTrail,
  LineStatusSchema,
  type BatchLineDetail,
  type BatchLinePage,
  type BatchObject,
  type ErrorGroup,
} from '@madakv/contracts';
import type { FileStore } from '@madakv/storage';
import { Controller, Get, HttpCode, Inject, Logger, Param, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { STORE } from '../../gateway.tokens.js';
import { checked, CheckedQuery } from '../../http/checked.query.js';
import { wholeNumber } from '../../http/page.query.js';
import { Tenant } from '../../http/request.context.js';
import { ApiRoute } from '../../openapi/api.route.js';
import { BatchLinesService } from './batch.lines.service.js';
import { BatchRetry } from './batch.retry.js';
import { resultsAsCsv, resultsAsJsonLines } from './batch.results.stream.js';

const PATH = { id: 'Id of a batch.' };
const LINE_PATH = { ...PATH, line: 'Its number in the input file, counted from 1.' };

const LinesQuerySchema = z.object({
  offset: z
    .string()
    .regex(/^\d{1,6}$/, 'expected a whole number')
    .transform(Number)
    .default(0)
    .meta({ description: 'Lines that fit the filter and come before the page.' }),
  limit: wholeNumber(500, 100),
  status: LineStatusSchema.optional(),
  code: z.string().max(128).optional().meta({ description: 'Only lines that failed with this code.' }),
  search: z.string().max(512).optional().meta({ description: 'Part of a custom_id, whatever its case.' }),
});
const ResultsQuerySchema = z.object({
  format: z.enum(['jsonl', 'csv']).default('jsonl'),
  joined: z
    .enum(['true', 'false'])
    .default('true')
    .meta({ description: 'Whether a line that failed, and that a retry has answered since, has the retry’s result.' }),
});
const LineSchema = z.object({ line: wholeNumber(999_999, 1) });

/** What stands in a batch, line by line. */
@Controller('v1/batches/:id')
export class BatchLinesController {
  private readonly log = new Logger('Batches');

  constructor(
    @Inject(BatchLinesService) private readonly lines: BatchLinesService,
    @Inject(BatchRetry) private readonly retry: BatchRetry,
    @Inject(STORE) private readonly store: FileStore,
  ) {}

  @Get('lines')
  @ApiRoute({
    tag: 'Batches',
    summary: 'List the lines of a batch',
    path: PATH,
    query: LinesQuerySchema,
    response: { 'application/json': 'BatchLinePage' },
    errors: ['invalid_request', 'not_found'],
  })
  listBatchLines(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @CheckedQuery(LinesQuerySchema) { offset, limit, ...filter }: z.output<typeof LinesQuerySchema>,
  ): Promise<BatchLinePage> {
    return this.lines.page(tenant, id, filter, offset, limit);
  }

  @Get('lines/:line')
  @ApiRoute({
    tag: 'Batches',
    summary: 'Get a line of a batch with its result',
    path: LINE_PATH,
    response: { 'application/json': 'BatchLineDetail' },
    errors: ['invalid_request', 'not_found'],
  })
  getBatchLine(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @Param('line') line: string,
  ): Promise<BatchLineDetail> {
    return this.lines.line(tenant, id, checked(LineSchema, { line }).line);
  }

  @Get('errors')
  @ApiRoute({
    tag: 'Batches',
    summary: 'Group the failed lines of a batch',
    description: 'By error code, the most frequent first, each with what to do about it.',
    path: PATH,
    response: { 'application/json': 'ErrorGroups' },
    errors: ['not_found'],
  })
  async listBatchErrors(
    @Tenant() tenant: string,
    @Param('id') id: string,
  ): Promise<{ readonly object: 'list'; readonly data: readonly ErrorGroup[] }> {
    return { object: 'list', data: await this.lines.errors(tenant, id) };
  }

  @Get('results')
  @ApiRoute({
    tag: 'Batches',
    summary: 'Get all results of a batch that has ended',
    description:
      'Of both its files, in the order of its lines; as a table with `format=csv`. What a retry answered says so: `madakv.answered_by`.',
    path: PATH,
    query: ResultsQuerySchema,
    response: { 'application/jsonl': undefined, 'text/csv': undefined },
    errors: ['invalid_request', 'not_found', 'conflict'],
  })
  async getBatchResults(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @CheckedQuery(ResultsQuerySchema) { format, joined }: z.output<typeof ResultsQuerySchema>,
    @Res() response: Response,
  ): Promise<void> {
    const batches = await this.lines.results(tenant, id, joined === 'true');
    const results: AsyncGenerator<Buffer | string, void, undefined> =
      format === 'csv' ? resultsAsCsv(this.store, batches) : resultsAsJsonLines(this.store, batches);
    // What is wrong with the files is an answer, as long as none has begun.
    const first = await results.next();
    response.attachment(`${id}.${format}`);
    response.set('content-type', format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonl');
    await pipeline(Readable.from(startingWith(first, results)), response).catch((error: unknown) => {
      // Who hangs up is no fault; all else breaks the answer off, so that nobody takes it for whole.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') {
        this.log.warn(`${id}: its results broke off: ${errorTrail(error)}`);
      }
    });
  }

  @Post('retry')
  @HttpCode(200)
  @ApiRoute({
    tag: 'Batches',
    summary: 'Create a batch of the failed lines of another one',
    description:
      'Of one that has ended. Lines that were answered, here or in a retry, are not asked again; `metadata.retry_of` names the other one. ' +
      'While a retry of it runs, or where nothing has failed since the last, the answer is that one.',
    path: PATH,
    response: { 'application/json': 'Batch' },
    errors: ['not_found', 'conflict'],
  })
  retryBatch(@Tenant() tenant: string, @Param('id') id: string): Promise<BatchObject> {
    return this.retry.retry(tenant, id);
  }
}

async function* startingWith<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  try {
    if (first.done === true) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}
