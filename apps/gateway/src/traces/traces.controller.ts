import { MadakvError, storeKeys, TraceDocumentSchema, type TraceDocument } from '@madakv/contracts';
import { StorageError, type FileStore } from '@madakv/storage';
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { text } from 'node:stream/consumers';
import { STORE } from '../gateway.tokens.js';
import { Tenant } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';

/** Of a request, or with a number of one of its questions. */
const REQUEST_ID = /^[A-Za-z0-9_-]{1,100}(\.[0-9]{1,4})?$/;

@Controller('v1/requests')
export class TracesController {
  constructor(@Inject(STORE) private readonly store: FileStore) {}

  @Get(':id/trace')
  @ApiRoute({
    tag: 'Requests',
    summary: 'What became of a request and its cache',
    path: {
      id: 'Id of a chat completion, or the request_id of a line of a batch; of an extraction the trace_id of a field.',
    },
    response: { 'application/json': 'Trace' },
    errors: ['not_found'],
  })
  async getTrace(@Tenant() tenant: string, @Param('id') id: string): Promise<TraceDocument> {
    const trace = REQUEST_ID.test(id) ? await this.read(id) : undefined;
    if (trace?.tenant === tenant) return trace;
    throw new MadakvError('not_found', `There is no trace of a request ${id.slice(0, 128)}`, { param: 'id' });
  }

  private async read(id: string): Promise<TraceDocument | undefined> {
    try {
      return TraceDocumentSchema.parse(JSON.parse(await text(await this.store.get(storeKeys.trace(id)))));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
}
