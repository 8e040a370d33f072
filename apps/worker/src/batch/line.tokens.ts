import { estimateTokens, type ModelRecord } from '@madakv/contracts';
import type { RunnableLine } from './batch.line.js';
import type { SchemaFields } from './schema.fields.js';
import type { UploadCache } from './upload.cache.js';

/** How many tokens a line is taken for before it is read. The same for the same line, as long as its uploads are there. */
export type LineTokens = (line: Pick<RunnableLine, 'model' | 'body'>) => Promise<number>;

export function lineTokens(
  models: readonly Pick<ModelRecord, 'id' | 'maxPositions' | 'pageTokens'>[],
  uploads: Pick<UploadCache, 'factsOf'>,
  schemas: Pick<SchemaFields, 'of'>,
): LineTokens {
  const known = new Map(models.map((model) => [model.id, model]));
  return ({ model, body }) => {
    const { maxPositions, pageTokens } = known.get(model) ?? {};
    return estimateTokens(body, {
      maxPositions,
      pageTokens,
      uploadOf: (id) => uploads.factsOf(id),
      fieldsOf: (schema) => schemas.of(schema),
    });
  };
}
