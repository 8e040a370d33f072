import type { BatchObject } from '@madakv/contracts';
import { Controller, Get, HttpCode, Inject, Param, Post, UseInterceptors } from '@nestjs/common';
import { CheckedQuery } from '../http/checked.query.js';
import { BodyText, JsonBody } from '../http/json.body.js';
import { BatchListSchema, listBody, type BatchList, type ListBody } from '../http/page.query.js';
import { Tenant } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { BatchesService } from './batches.service.js';
import { IdempotencyKey } from './idempotency.keys.js';

const PATH = { id: 'Id of a batch.' };
/** Metadata is the largest part of it: 16 pairs of 576 characters. In bytes. */
const MAX_BODY = 64 * 1024;

@Controller('v1/batches')
export class BatchesController {
  constructor(@Inject(BatchesService) private readonly batches: BatchesService) {}

  @Post()
  @HttpCode(200)
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Batches',
    summary: 'Create a batch',
    headers: { 'Idempotency-Key': 'Repeating a request with the same key within 24 hours creates no second batch.' },
    body: { schema: 'CreateBatch' },
    response: { 'application/json': 'Batch' },
    errors: [
      'invalid_request',
      'invalid_json',
      'not_found',
      'conflict',
      'too_large',
      'unsupported_media_type',
      'request_timeout',
    ],
  })
  createBatch(
    @Tenant() tenant: string,
    @BodyText() text: string,
    @IdempotencyKey() idempotencyKey?: string,
  ): Promise<BatchObject> {
    return this.batches.create(tenant, text, idempotencyKey);
  }

  @Get()
  @ApiRoute({
    tag: 'Batches',
    summary: 'List batches, newest first',
    query: BatchListSchema,
    response: { 'application/json': 'BatchPage' },
    errors: ['invalid_request', 'not_found'],
  })
  async listBatches(
    @Tenant() tenant: string,
    @CheckedQuery(BatchListSchema) query: BatchList,
  ): Promise<ListBody<BatchObject>> {
    return listBody(await this.batches.list(tenant, query));
  }

  @Get(':id')
  @ApiRoute({
    tag: 'Batches',
    summary: 'Get a batch',
    path: PATH,
    response: { 'application/json': 'Batch' },
    errors: ['not_found'],
  })
  getBatch(@Tenant() tenant: string, @Param('id') id: string): Promise<BatchObject> {
    return this.batches.get(tenant, id);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiRoute({
    tag: 'Batches',
    summary: 'Cancel a batch',
    description: 'Lines that are answered stay so; the others are listed in the error file.',
    path: PATH,
    response: { 'application/json': 'Batch' },
    errors: ['not_found', 'conflict'],
  })
  cancelBatch(@Tenant() tenant: string, @Param('id') id: string): Promise<BatchObject> {
    return this.batches.cancel(tenant, id);
  }
}
