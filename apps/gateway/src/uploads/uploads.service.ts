import {
  MadakvError,
  MAX_PART_BYTES,
  MAX_PARTS,
  newId,
  storeKeys,
  type CompleteUpload,
  type CreateUpload,
  type UploadObject,
  type UploadPart,
  type UploadRecord,
  type UploadStatus,
} from '@madakv/contracts';
import { DocumentError } from '@madakv/documents';
import { Records } from '@madakv/records';
import { StorageError, type FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { filenameOf, MAX_FILE_BYTES } from '../files/file.limits.js';
import { contentLength, readForm } from '../files/upload.form.js';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS, STORE } from '../gateway.tokens.js';
import { StoredBytes } from '../limits/stored.bytes.js';
import { checkParts, UploadAssembly } from './upload.assembly.js';
import { UploadLease } from './upload.lease.js';
import { UploadRemains } from './upload.remains.js';

/** Uploads that one sweep looks at, at most. */
const SWEPT = 1_000;
/** Time that making the file may take before the upload counts as expired, in seconds. */
const ASSEMBLY_SECONDS = 3_600;

/**
 * Files that come in parts: in any order, several at a time, each sent again where it did not arrive. A part is written
 * before it is recorded; the upload becomes a file in one step, which any gateway can take up again.
 */
@Injectable()
export class UploadsService {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(StoredBytes) private readonly stored: StoredBytes,
    @Inject(UploadAssembly) private readonly assembly: UploadAssembly,
    @Inject(UploadLease) private readonly lease: UploadLease,
    @Inject(UploadRemains) private readonly remains: UploadRemains,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /** @throws MadakvError too_large; rate_limit_exceeded where the tenant has no room for all of it */
  async create(tenant: string, body: CreateUpload): Promise<UploadObject> {
    const limit =
      body.purpose === 'batch' ? this.settings.MADAKV_GATEWAY_MAX_UPLOAD_BYTES : MAX_FILE_BYTES[body.purpose];
    if (body.bytes > limit) {
      const message = `The upload would have ${body.bytes} bytes; the limit of the purpose ${body.purpose} is ${limit} bytes.`;
      throw new MadakvError('too_large', message, { param: 'bytes' });
    }
    if ((await this.stored.room(tenant, body.bytes)) < body.bytes) throw this.stored.exceeded(tenant);
    const created_at = Math.floor(Date.now() / 1000);
    const object: UploadObject = {
      id: newId('upload'),
      object: 'upload',
      bytes: body.bytes,
      created_at,
      filename: filenameOf(body.filename),
      purpose: body.purpose,
      status: 'pending',
      expires_at: created_at + Math.ceil(this.settings.MADAKV_GATEWAY_UPLOAD_EXPIRY_MS / 1000),
      file: null,
    };
    const seconds = body.expires_after?.seconds;
    await this.records.uploads.create({
      tenant,
      object,
      ...(seconds === undefined ? {} : { fileExpirySeconds: seconds }),
    });
    return object;
  }

  /**
   * Stores a part as it comes; nothing is kept of one that fails.
   * @throws MadakvError not_found, conflict, too_large, rate_limit_exceeded
   */
  async addPart(tenant: string, id: string, request: IncomingMessage): Promise<UploadPart> {
    mustBePending(await this.pending(tenant, id));
    const partId = newId('part');
    const key = storeKeys.uploadPart(id, partId);
    const room = await this.stored.room(tenant, contentLength(request));
    const gone = new AbortController();
    request.once('close', () => {
      if (!request.complete) gone.abort(new MadakvError('cancelled', 'the caller hung up'));
    });
    try {
      const { file } = await readForm(
        request,
        ({ content }) => this.put(tenant, key, content, room, gone.signal),
        'data',
      );
      await this.stored.addPart(tenant, id, partId, file.bytes);
      const added = await this.records.uploads.addPart(id, partId, file.bytes, MAX_PARTS);
      if (added === 'full') {
        throw new MadakvError('conflict', `${id} has ${MAX_PARTS} parts; the limit is ${MAX_PARTS}.`, { param: 'id' });
      }
      if (added === 'closed') mustBePending(await this.pending(tenant, id));
    } catch (error) {
      await this.stored.removeParts(tenant, id, [partId]).catch(() => undefined);
      await this.store.delete(key).catch(() => undefined);
      throw error;
    }
    return { id: partId, object: 'upload.part', created_at: Math.floor(Date.now() / 1000), upload_id: id };
  }

  /**
   * Makes the file. Asked for again, with the same parts, it is the same one; by several at once, one makes it.
   * @throws MadakvError not_found, conflict; invalid_request where parts and bytes do not fit together
   */
  async complete(tenant: string, id: string, { part_ids: partIds, md5 }: CompleteUpload): Promise<UploadObject> {
    const completion = { partIds, md5: md5?.toLowerCase() ?? null };
    const found = await this.pending(tenant, id);
    const { status } = found.object;
    if (status === 'pending') checkParts(found.object, partIds, await this.records.uploads.parts(id));
    else if (status !== 'completed') throw notPending(found.object);
    for (;;) {
      const claimed = await this.claim(found, completion);
      if (claimed.object.status === 'completed') return claimed.object;
      const made = await this.lease.run(id, () => this.make(claimed));
      if (made !== undefined) return made;
      await this.lease.freed(id);
    }
  }

  /** Cancelled once more it stays so. @throws MadakvError not_found; conflict where it has ended otherwise */
  async cancel(tenant: string, id: string): Promise<UploadObject> {
    await this.pending(tenant, id);
    const { object } = await this.end(id, 'cancelled');
    if (object.status !== 'cancelled') throw notPending(object);
    return object;
  }

  /** Gives up uploads whose time is over, and clears what others have left. @returns how many were given up */
  async sweep(): Promise<number> {
    const dueAt = Math.floor(Date.now() / 1000);
    let expired = 0;
    for (const record of await this.records.uploads.due(dueAt, SWEPT)) {
      if (record.object.status !== 'pending') await this.remains.clear(record);
      else if ((await this.end(record.object.id, 'expired', { dueAt })).object.status === 'expired') expired++;
    }
    return expired;
  }

  private async make(claimed: UploadRecord): Promise<UploadObject> {
    const { tenant, object } = claimed;
    try {
      // Who was before may have made it.
      const found = await this.pending(tenant, object.id);
      if (found.object.status === 'completed') return found.object;
      const file = await this.assembly.file(claimed);
      const ended = await this.end(object.id, 'completed', { file });
      if (ended.object.status === 'completed') return ended.object;
      throw notPending(ended.object);
    } catch (error) {
      return this.afterFailure(claimed, error);
    }
  }

  /** Says what it is completed of, once: two who say the same make the same file, one who says something else is too late. */
  private async claim(
    { object: { id } }: UploadRecord,
    completion: NonNullable<UploadRecord['completion']>,
  ): Promise<UploadRecord> {
    const expiresAt = Math.floor(Date.now() / 1000) + ASSEMBLY_SECONDS;
    const claimed = await this.records.uploads.update(id, (record) => ({ completion, ...record }), { expiresAt });
    const { object } = claimed;
    if (object.status === 'cancelled' || object.status === 'expired') throw notPending(object);
    if (isSame(claimed.completion, completion)) return claimed;
    const state = object.status === 'completed' ? 'was completed' : 'is being completed';
    throw new MadakvError('conflict', `${id} ${state} with other parts, or another md5.`, { param: 'part_ids' });
  }

  /** @returns the upload, where somebody else has completed it meanwhile @throws the error, or why it cannot be completed */
  private async afterFailure({ tenant, object, completion }: UploadRecord, error: unknown): Promise<UploadObject> {
    const { id } = object;
    // What is wrong with the content is so for all who say the same of it: the next may say something else.
    if ((error instanceof MadakvError || error instanceof DocumentError) && !error.retryable) {
      await this.records.uploads.update(id, (record) =>
        isSame(record.completion, completion) ? { ...record, completion: undefined } : undefined,
      );
    }
    if (!(error instanceof StorageError && error.code === 'not_found')) throw error;
    const { object: found } = await this.pending(tenant, id);
    if (found.status === 'completed') return found;
    throw found.status === 'pending' ? error : notPending(found);
  }

  /**
   * Ends a pending upload, and takes away what it leaves.
   * @param with the file of one that is completed; the seconds since 1970 at which it must be due, or it stays
   * @returns it as it stands, which may be another end than this
   */
  private async end(
    id: string,
    status: Exclude<UploadStatus, 'pending'>,
    { file = null, dueAt }: { readonly file?: UploadObject['file']; readonly dueAt?: number } = {},
  ): Promise<UploadRecord> {
    const ended = await this.records.uploads.update(
      id,
      (record) => ({ ...record, object: { ...record.object, status, file } }),
      dueAt === undefined ? {} : { dueAt },
    );
    if (ended.object.status !== 'pending') await this.remains.clear(ended);
    return ended;
  }

  private async pending(tenant: string, id: string): Promise<UploadRecord> {
    const record = await this.records.uploads.find(tenant, id);
    if (record === undefined) {
      throw new MadakvError('not_found', `No such Upload object: ${id.slice(0, 128)}`, { param: 'id' });
    }
    const { status, expires_at } = record.object;
    const isOver = status === 'pending' && record.completion === undefined && expires_at * 1000 <= Date.now();
    return isOver ? { ...record, object: { ...record.object, status: 'expired' } } : record;
  }

  private async put(
    tenant: string,
    key: string,
    content: AsyncIterable<Uint8Array>,
    room: number,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number }> {
    try {
      return await this.store.put(key, content, { maxBytes: Math.min(MAX_PART_BYTES, room), signal });
    } catch (error) {
      if (!(error instanceof StorageError && error.code === 'too_large')) throw error;
      if (room < MAX_PART_BYTES) throw this.stored.exceeded(tenant);
      const message = `The part is larger than the limit of ${MAX_PART_BYTES} bytes.`;
      throw new MadakvError('too_large', message, { param: 'data' });
    }
  }
}

function isSame(a: UploadRecord['completion'], b: UploadRecord['completion']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function mustBePending({ object }: UploadRecord): void {
  if (object.status !== 'pending') throw notPending(object);
}

function notPending({ id, status, expires_at }: UploadObject): MadakvError {
  const since = status === 'expired' ? ` since ${new Date(expires_at * 1000).toISOString()}` : '';
  return new MadakvError('conflict', `${id} is ${status}${since}; create another upload.`, { param: 'id' });
}
