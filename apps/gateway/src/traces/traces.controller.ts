import {
  MadakvError,
  type Comparison,
  type Heat,
  type RecentRequest,
  type RequestText,
  type TraceDocument,
  type TraceView,
} from '@madakv/contracts';
import { sniffMediaType } from '@madakv/documents';
import { compareTraces, keptHeat, promptPieces, promptTokens, traceView, withoutKeys } from '@madakv/insight';
import { StorageError, type FileStore } from '@madakv/storage';
import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import type { Response } from 'express';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { Caller } from '../auth/api.keys.js';
import { STORE } from '../gateway.tokens.js';
import { CheckedQuery } from '../http/checked.query.js';
import { wholeNumber } from '../http/page.query.js';
import { AuthenticatedCaller, Tenant } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { OverviewService } from '../overview/overview.service.js';
import { TextReader } from './text.reader.js';
import { TraceReader } from './trace.reader.js';

const PATH = {
  id: 'Id of a chat completion, or the request_id of a line of a batch; of an extraction the trace_id of a field.',
};

const number = z
  .string()
  .regex(/^\d{1,4}$/, 'expected a whole number')
  .transform(Number)
  .optional();
const HeatQuerySchema = z.object({
  layer: number.meta({ description: 'One layer only, counted from 0.' }),
  head: number.meta({ description: 'One key-value head only, counted from 0.' }),
});
const CompareQuerySchema = z.object({
  a: z.string().max(128).meta({ description: 'Id of a request.' }),
  b: z.string().max(128).meta({ description: 'Id of another one.' }),
});
const TextQuerySchema = z.object({
  from: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a token of the prompt, counted from 0')
    .transform(Number)
    .default(0)
    .meta({ description: 'Token of the prompt with which the page begins, counted from 0.' }),
  limit: wholeNumber(16_384, 4_096),
});
const RecentQuerySchema = z.object({ limit: wholeNumber(200, 50) });

@Controller('v1/requests')
export class TracesController {
  constructor(
    @Inject(TraceReader) private readonly traces: TraceReader,
    @Inject(TextReader) private readonly texts: TextReader,
    @Inject(OverviewService) private readonly overviews: OverviewService,
    @Inject(STORE) private readonly store: FileStore,
  ) {}

  @Get()
  @ApiRoute({
    tag: 'Requests',
    summary: 'List the requests that ended last',
    description: 'At most 200, of the last 24 hours, the latest first.',
    query: RecentQuerySchema,
    response: { 'application/json': 'RecentRequests' },
    errors: ['invalid_request'],
  })
  async listRequests(
    @AuthenticatedCaller() caller: Caller,
    @CheckedQuery(RecentQuerySchema) { limit }: z.output<typeof RecentQuerySchema>,
  ): Promise<{ readonly object: 'list'; readonly data: readonly RecentRequest[] }> {
    return { object: 'list', data: await this.overviews.recent(caller, limit) };
  }

  @Get('compare')
  @ApiRoute({
    tag: 'Requests',
    summary: 'Compare what two requests kept',
    query: CompareQuerySchema,
    response: { 'application/json': 'Comparison' },
    errors: ['invalid_request', 'not_found', 'conflict'],
  })
  async compareRequests(
    @Tenant() tenant: string,
    @CheckedQuery(CompareQuerySchema) { a, b }: z.output<typeof CompareQuerySchema>,
  ): Promise<Comparison> {
    return compareTraces(await this.traces.answered(tenant, a, 'a'), await this.traces.answered(tenant, b, 'b'));
  }

  @Get(':id/trace')
  @ApiRoute({
    tag: 'Requests',
    summary: 'What became of a request and its cache',
    path: PATH,
    response: { 'application/json': 'Trace' },
    errors: ['not_found'],
  })
  async getTrace(@Tenant() tenant: string, @Param('id') id: string): Promise<TraceDocument> {
    return withoutKeys(await this.traces.get(tenant, id));
  }

  @Get(':id/view')
  @ApiRoute({
    tag: 'Requests',
    summary: 'The same, gathered up for drawing',
    description: 'Kept positions are summed over layers and heads; where images stand in the prompt is said.',
    path: PATH,
    response: { 'application/json': 'TraceView' },
    errors: ['not_found'],
  })
  async getTraceView(@Tenant() tenant: string, @Param('id') id: string): Promise<TraceView> {
    const trace = await this.traces.get(tenant, id);
    return traceView(trace, (index) =>
      trace.images[index].key === undefined ? undefined : `/v1/requests/${trace.id}/images/${index}`,
    );
  }

  @Get(':id/heat')
  @ApiRoute({
    tag: 'Requests',
    summary: 'Which tokens a layer or a head kept',
    path: PATH,
    query: HeatQuerySchema,
    response: { 'application/json': 'Heat' },
    errors: ['invalid_request', 'not_found', 'conflict'],
  })
  async getHeat(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @CheckedQuery(HeatQuerySchema) query: z.output<typeof HeatQuerySchema>,
  ): Promise<Heat> {
    const [layer, head] = [query.layer ?? null, query.head ?? null];
    const trace = await this.traces.answered(tenant, id, 'id');
    const heat = keptHeat(trace.cache.layers, promptTokens(trace), { layer, head });
    if (heat.pairs > 0 || (layer === null && head === null)) return heat;
    const param = layer === null ? 'head' : 'layer';
    throw new MadakvError('not_found', `The trace of ${trace.id} has no such ${param}.`, { param });
  }

  @Get(':id/text')
  @ApiRoute({
    tag: 'Requests',
    summary: 'The text of a prompt, token by token',
    description:
      'As it was read, so that what was kept can be shown in its words. It is kept for as long as pictures of pages are, where the server keeps it.',
    path: PATH,
    query: TextQuerySchema,
    response: { 'application/json': 'RequestText' },
    errors: ['invalid_request', 'not_found'],
  })
  async getText(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @CheckedQuery(TextQuerySchema) { from, limit }: z.output<typeof TextQuerySchema>,
  ): Promise<RequestText> {
    // Whose it is stands in the trace.
    const trace = await this.traces.get(tenant, id);
    const text = await this.texts.get(trace.id);
    if (text === undefined) {
      throw new MadakvError('not_found', `The text of ${trace.id} is not kept, or not any more.`, { param: 'id' });
    }
    const { data, next } = promptPieces(text, from, limit);
    return { object: 'request.text', id: trace.id, tokens: text.tokens, data: [...data], next };
  }

  @Get(':id/images/:index')
  @ApiRoute({
    tag: 'Requests',
    summary: 'A page or image of a request',
    description:
      'As it was read. It is there for as long as its document is kept: some days after the last question, as the server is set up.',
    path: { ...PATH, index: 'Its number in the prompt, counted from 0.' },
    response: { 'image/png': undefined, 'image/jpeg': undefined, 'image/webp': undefined, 'image/gif': undefined },
    errors: ['not_found'],
  })
  async getImage(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @Param('index') index: string,
    @Res() response: Response,
  ): Promise<void> {
    const trace = await this.traces.get(tenant, id);
    const key = /^\d{1,5}$/.test(index) ? trace.images.at(Number(index))?.key : undefined;
    const content = key === undefined ? undefined : await this.content(key);
    if (content === undefined) {
      throw new MadakvError('not_found', `Image ${index.slice(0, 16)} of ${trace.id} is not kept any more.`, {
        param: 'index',
      });
    }
    response.set({
      'content-type': sniffMediaType(content) ?? 'application/octet-stream',
      // The same for ever, and nobody else's.
      'cache-control': 'private, max-age=86400, immutable',
      'content-security-policy': "default-src 'none'; sandbox",
    });
    response.end(content);
  }

  private async content(key: string): Promise<Buffer | undefined> {
    try {
      return await buffer(await this.store.get(key));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
}
