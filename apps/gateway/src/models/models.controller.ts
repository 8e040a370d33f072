import { MadakvError, type ModelObject, type ModelRecord } from '@madakv/contracts';
import { Records } from '@madakv/records';
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiRoute } from '../openapi/api.route.js';

@Controller('v1/models')
export class ModelsController {
  constructor(@Inject(Records) private readonly records: Records) {}

  @Get()
  @ApiRoute({ tag: 'Models', summary: 'List models', response: { 'application/json': 'ModelList' } })
  async listModels(): Promise<{ readonly object: 'list'; readonly data: readonly ModelObject[] }> {
    return { object: 'list', data: (await this.records.models.list()).map(modelObject) };
  }

  @Get(':id')
  @ApiRoute({
    tag: 'Models',
    summary: 'Get a model',
    path: { id: 'Name of a model.' },
    response: { 'application/json': 'Model' },
    errors: ['model_not_found'],
  })
  async getModel(@Param('id') id: string): Promise<ModelObject> {
    const model = await this.records.models.find(id);
    if (model === undefined) throw modelNotFound(id);
    return modelObject(model);
  }
}

export function modelNotFound(id: string): MadakvError {
  return new MadakvError('model_not_found', `The model '${id.slice(0, 256)}' does not exist.`, { param: 'model' });
}

function modelObject({ id, createdAt, family, maxPositions, kvBytesPerToken, kv, seenAtMs }: ModelRecord): ModelObject {
  // Rows are written in half precision where they are kept in it; int8 is what rows become once they are kept.
  const isHalf = kv?.precision === 'fp16';
  const madakv = {
    family,
    max_positions: maxPositions,
    kv_bytes_per_token: isHalf ? kvBytesPerToken / 2 : kvBytesPerToken,
    kv_precision: isHalf ? ('fp16' as const) : ('fp32' as const),
    seen_at_ms: seenAtMs,
  };
  return { id, object: 'model', created: createdAt, owned_by: 'madakv', madakv };
}
