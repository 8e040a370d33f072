import {
  BatchRecordSchema,
  CreateBatchSchema,
  MadakvError,
  newId,
  parseJson,
  type BatchObject,
  type BatchRecord,
  type CreateBatch,
  type FileRecord,
  type TokenLimits,
} from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { BatchControl, hasEnded, Records, type RecordPage } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import { FilesService } from '../files/files.service.js';
import { InputLines } from '../files/input.lines.js';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { checked } from '../http/checked.query.js';
import { pageQuery, type BatchList } from '../http/page.query.js';
import { ActiveBatches } from '../limits/active.batches.js';
import { TenantLimits } from '../limits/tenant.limits.js';
import { batchFigures } from './batch.figures.js';
import { IdempotencyKeys } from './idempotency.keys.js';

/** Creates, finds and cancels batches. What becomes of them is the workers' business. */
@Injectable()
export class BatchesService {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(JobQueues) private readonly queues: JobQueues,
    @Inject(BatchControl) private readonly control: BatchControl,
    @Inject(FilesService) private readonly files: FilesService,
    @Inject(InputLines) private readonly lines: InputLines,
    @Inject(ActiveBatches) private readonly active: ActiveBatches,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
    @Inject(IdempotencyKeys) private readonly idempotency: IdempotencyKeys,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /**
   * The record is written before the job: a gateway that dies in between leaves a batch that the same request, or looking
   * at the batch, carries on.
   * @param idempotencyKey requests of a tenant with the same one are one
   * @param retry of which batch it is one, and the id that was settled for it
   * @throws MadakvError
   */
  async create(
    tenant: string,
    text: string,
    idempotencyKey: string | undefined,
    retry?: { readonly id: string; readonly of: string },
  ): Promise<BatchObject> {
    const body = checked(CreateBatchSchema, parseJson(text));
    const id =
      idempotencyKey === undefined
        ? (retry?.id ?? newId('batch'))
        : await this.idempotency.batchId(tenant, idempotencyKey, body);
    const existing = await this.records.batches.find(tenant, id);
    if (existing !== undefined) return this.resumed(existing);
    const file = await this.inputOf(tenant, body);
    await this.active.add(tenant, id, file.object.id, await this.lines.of(tenant, file.object.id));
    // Whoever deletes the file looks for batches of it afterwards, too: one of the two sees the other.
    await this.inputOf(tenant, body).catch(async (error: unknown) => {
      // Gone for any other request for this batch, too; of another error nobody knows.
      if (error instanceof MadakvError && error.code === 'not_found') await this.active.remove(tenant, id);
      throw error;
    });
    const { tokensPerDay, queuedTokens } = this.limits.of(tenant);
    const limits = { tokensPerDay, queuedTokens };
    const record = newBatch(tenant, id, body, file, this.settings.MADAKV_GATEWAY_BATCH_EXPIRY_MS, limits);
    await this.records.batches.create(retry === undefined ? record : { ...record, retryOf: retry.of });
    await this.queues.addBatch({ batchId: id, tenant }, Number(record.object.expires_at) * 1000);
    return record.object;
  }

  /** @throws MadakvError not_found */
  async get(tenant: string, id: string): Promise<BatchObject> {
    const record = await this.records.batches.find(tenant, id);
    if (record === undefined) throw notFound(id);
    return this.resumed(record);
  }

  async list(tenant: string, page: BatchList): Promise<RecordPage<BatchRecord>> {
    const { data, hasMore } = await this.records.batches.list(tenant, pageQuery(page));
    return { data: await this.withFigures(data), hasMore };
  }

  /** @throws MadakvError not_found; conflict where it has ended */
  async cancel(tenant: string, id: string): Promise<BatchObject> {
    if ((await this.records.batches.find(tenant, id)) === undefined) throw notFound(id);
    return (await this.withFigures([await this.control.cancel(tenant, id)]))[0].object;
  }

  /** A batch whose job was never added, or is lost, gets one. */
  private async resumed(record: BatchRecord): Promise<BatchObject> {
    if (!hasEnded(record.object.status)) await this.control.carryOn(record);
    return (await this.withFigures([record]))[0].object;
  }

  private async withFigures(records: readonly BatchRecord[]): Promise<BatchRecord[]> {
    const caches = await this.records.activity.batchCaches(records.map(({ object }) => object.id));
    return records.map((record, i) => {
      const madakv = batchFigures(record.object, caches[i], Math.floor(Date.now() / 1000));
      return { ...record, object: { ...record.object, madakv } };
    });
  }

  private async inputOf(tenant: string, { input_file_id }: CreateBatch): Promise<FileRecord> {
    const param = 'input_file_id';
    const file = await this.files.get(tenant, input_file_id).catch((error: unknown) => {
      if (!(error instanceof MadakvError && error.code === 'not_found')) throw error;
      throw new MadakvError('not_found', error.message, { param });
    });
    if (file.object.purpose === 'batch') return file;
    throw new MadakvError('invalid_request', `${input_file_id} has purpose ${file.object.purpose}; expected batch.`, {
      param,
    });
  }
}

function newBatch(
  tenant: string,
  id: string,
  body: CreateBatch,
  { key, object: file }: FileRecord,
  expiryMs: number,
  limits: TokenLimits,
): BatchRecord {
  const created_at = Math.floor(Date.now() / 1000);
  return BatchRecordSchema.parse({
    tenant,
    inputKey: key,
    limits,
    ...(body.output_expires_after == null ? {} : { outputExpirySeconds: body.output_expires_after.seconds }),
    object: {
      id,
      object: 'batch',
      endpoint: body.endpoint,
      input_file_id: file.id,
      completion_window: body.completion_window,
      status: 'validating',
      created_at,
      expires_at: created_at + Math.ceil(expiryMs / 1000),
      request_counts: { total: 0, completed: 0, failed: 0 },
      metadata: body.metadata ?? null,
    },
    cursor: { byte: 0, line: 1 },
    ending: null,
  } satisfies BatchRecord);
}

function notFound(id: string): MadakvError {
  return new MadakvError('not_found', `No batch found with id '${id.slice(0, 128)}'.`, { param: 'id' });
}
