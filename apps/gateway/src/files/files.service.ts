import {
  ExpirySecondsSchema,
  MadakvError,
  namesKnownKeys,
  newId,
  storeKeys,
  UploadPurposeSchema,
  type FileObject,
  type FileRecord,
  type UploadPurpose,
} from '@madakv/contracts';
import { checkMediaType } from '@madakv/documents';
import { Records, type RecordPage } from '@madakv/records';
import { StorageError, type FileStore, type PutResult } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { STORE } from '../gateway.tokens.js';
import { checked } from '../http/checked.query.js';
import { pageQuery, type FilePage } from '../http/page.query.js';
import { ActiveBatches } from '../limits/active.batches.js';
import { StoredBytes } from '../limits/stored.bytes.js';
import { ContentFacts } from './content.facts.js';
import { checkDocument, filenameOf, MAX_FILE_BYTES, tooLarge } from './file.limits.js';
import { InputLines } from './input.lines.js';
import { contentLength, readForm, type FormFile } from './upload.form.js';

/** Files that one sweep looks at, at most. */
const SWEPT = 1_000;

const seconds = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number of seconds')
  .transform(Number)
  .pipe(ExpirySecondsSchema);

/** The text fields of an upload's form. */
const UploadFieldsSchema = z
  .strictObject(
    {
      purpose: UploadPurposeSchema,
      'expires_after[anchor]': z.literal('created_at').optional(),
      'expires_after[seconds]': seconds.optional(),
    },
    { error: namesKnownKeys(() => ['file', 'purpose', 'expires_after[anchor]', 'expires_after[seconds]']) },
  )
  .refine(
    (fields) => (fields['expires_after[anchor]'] === undefined) === (fields['expires_after[seconds]'] === undefined),
    {
      error: 'expected both anchor and seconds, or neither',
      path: ['expires_after'],
    },
  );

interface StoredUpload {
  readonly filename: string;
  readonly result: PutResult;
  readonly facts: ContentFacts;
}

/** Files: contents in the FileStore, records in Redis. A content is written before its record and deleted after it. */
@Injectable()
export class FilesService {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(StoredBytes) private readonly stored: StoredBytes,
    @Inject(InputLines) private readonly lines: InputLines,
    @Inject(ActiveBatches) private readonly batches: ActiveBatches,
  ) {}

  /** Stores the upload as it comes; nothing is kept of one that fails. */
  async upload(tenant: string, request: IncomingMessage): Promise<FileObject> {
    const id = newId('file');
    const room = await this.stored.room(tenant, contentLength(request));
    const gone = new AbortController();
    request.once('close', () => {
      if (!request.complete) gone.abort(new MadakvError('cancelled', 'the caller hung up'));
    });
    const key = storeKeys.file(id);
    try {
      const { fields, file } = await readForm(request, (part) => this.put(tenant, key, part, room, gone.signal));
      const checkedFields = checked(UploadFieldsSchema, Object.fromEntries(fields));
      checkContent(checkedFields.purpose, file);
      const created_at = Math.floor(Date.now() / 1000);
      const expiresAfter = checkedFields['expires_after[seconds]'];
      const object: FileObject = {
        id,
        object: 'file',
        bytes: file.result.bytes,
        created_at,
        ...(expiresAfter === undefined ? {} : { expires_at: created_at + expiresAfter }),
        filename: file.filename,
        purpose: checkedFields.purpose,
        status: 'processed',
      };
      if (object.purpose === 'batch') await this.lines.set(tenant, id, file.facts.lines);
      await this.records.files.create({ tenant, key, sha256: file.result.sha256, object });
      // A gateway that dies before this gives room away; the other way round it would take it for ever.
      await this.stored.add(tenant, id, file.result.bytes);
      return object;
    } catch (error) {
      await this.remove(tenant, id).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Stores lines of this program's own making as the input of a batch; nothing is kept where that fails.
   * @param lines how many requests there are: they count as queued, blank lines between them do not
   * @param maxBytes how large they may be in all
   * @throws MadakvError rate_limit_exceeded where they do not fit the tenant's room, too_large; what reading the content throws
   */
  async writeInput(
    tenant: string,
    filename: string,
    lines: number,
    content: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<FileObject> {
    const id = newId('file');
    const key = storeKeys.file(id);
    const room = await this.stored.room(tenant, maxBytes);
    try {
      const { bytes, sha256 } = await this.store.put(key, content, { maxBytes: Math.min(maxBytes, room) });
      const created_at = Math.floor(Date.now() / 1000);
      const object: FileObject = {
        id,
        object: 'file',
        bytes,
        created_at,
        filename,
        purpose: 'batch',
        status: 'processed',
      };
      await this.lines.set(tenant, id, lines);
      await this.records.files.create({ tenant, key, sha256, object });
      await this.stored.add(tenant, id, bytes);
      return object;
    } catch (error) {
      await this.remove(tenant, id).catch(() => undefined);
      throw error instanceof StorageError && error.code === 'too_large' ? this.beyond(tenant, maxBytes, room) : error;
    }
  }

  /** @throws MadakvError not_found */
  async get(tenant: string, id: string): Promise<FileRecord> {
    const record = await this.records.files.find(tenant, id);
    const { expires_at } = record?.object ?? {};
    if (record === undefined || (expires_at !== undefined && expires_at * 1000 <= Date.now())) {
      throw new MadakvError('not_found', `No such File object: ${id.slice(0, 128)}`, { param: 'id' });
    }
    return record;
  }

  list(tenant: string, { order, purpose, ...page }: FilePage): Promise<RecordPage<FileRecord>> {
    return this.records.files.list(tenant, {
      ...pageQuery(page),
      order,
      ...(purpose === undefined ? {} : { purpose }),
    });
  }

  async content(tenant: string, id: string): Promise<{ readonly object: FileObject; readonly content: Readable }> {
    const { object, key } = await this.get(tenant, id);
    return { object, content: await this.store.get(key) };
  }

  /** @throws MadakvError not_found; conflict while a batch reads the file */
  async delete(tenant: string, id: string): Promise<void> {
    await this.get(tenant, id);
    const batch = await this.removeUnused(tenant, id);
    if (batch !== undefined) {
      throw new MadakvError('conflict', `${id} is the input of ${batch}, which has not ended; cancel it first.`);
    }
  }

  /** Deletes files whose time has come. @returns how many */
  async sweep(): Promise<number> {
    let removed = 0;
    for (const { tenant, object } of await this.records.files.expired(Math.floor(Date.now() / 1000), SWEPT)) {
      if ((await this.removeUnused(tenant, object.id)) === undefined) removed++;
    }
    return removed;
  }

  /**
   * Forgets a file that no batch reads. Its record goes first, and is written again where a batch came meanwhile: a batch looks
   * for the file after it is counted.
   * @returns the batch that reads it
   */
  private async removeUnused(tenant: string, id: string): Promise<string | undefined> {
    const before = await this.batches.using(tenant, id);
    if (before !== undefined) return before;
    const record = await this.records.files.delete(tenant, id);
    const since = await this.batches.using(tenant, id);
    if (since !== undefined && record !== undefined) await this.records.files.create(record);
    else await this.forget(tenant, id, record?.key ?? storeKeys.file(id));
    return record === undefined ? undefined : since;
  }

  /** Forgets a file, be it there or only in part. */
  async remove(tenant: string, id: string): Promise<void> {
    const record = await this.records.files.delete(tenant, id);
    await this.forget(tenant, id, record?.key ?? storeKeys.file(id));
  }

  private async forget(tenant: string, id: string, key: string): Promise<void> {
    await this.store.delete(key);
    await this.stored.remove(tenant, id);
    await this.lines.forget(tenant, id);
  }

  private async put(
    tenant: string,
    key: string,
    { content, filename, fields }: FormFile,
    room: number,
    signal: AbortSignal,
  ): Promise<StoredUpload> {
    const purpose = UploadPurposeSchema.safeParse(fields.get('purpose')).data;
    const limit = purpose === undefined ? Math.max(...Object.values(MAX_FILE_BYTES)) : MAX_FILE_BYTES[purpose];
    const facts = new ContentFacts();
    const source = facts.pass(content as AsyncIterable<Uint8Array>, (head) => {
      if (purpose === 'user_data') checkMediaType(head);
    });
    try {
      const result = await this.store.put(key, source, { maxBytes: Math.min(limit, room), signal });
      return { filename: filenameOf(filename), result, facts };
    } catch (error) {
      if (!(error instanceof StorageError && error.code === 'too_large')) throw error;
      throw this.beyond(tenant, limit, room);
    }
  }

  /** Which of the two content was too large for. */
  private beyond(tenant: string, limit: number, room: number): MadakvError {
    return room < limit ? this.stored.exceeded(tenant) : tooLarge(limit);
  }
}

/** What could not be checked before the purpose was known. @throws MadakvError, DocumentError */
function checkContent(purpose: UploadPurpose, { result, facts }: StoredUpload): void {
  if (result.bytes > MAX_FILE_BYTES[purpose]) throw tooLarge(MAX_FILE_BYTES[purpose]);
  if (purpose === 'user_data') checkDocument(facts.head, result.bytes);
}
