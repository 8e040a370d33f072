import {
  MadakvError,
  storeKeys,
  uploadedFileId,
  type FileObject,
  type FileRecord,
  type UploadObject,
  type UploadPurpose,
  type UploadRecord,
} from '@madakv/contracts';
import { checkMediaType } from '@madakv/documents';
import { Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { ContentFacts } from '../files/content.facts.js';
import { checkDocument } from '../files/file.limits.js';
import { InputLines } from '../files/input.lines.js';
import { STORE } from '../gateway.tokens.js';
import { StoredBytes } from '../limits/stored.bytes.js';

/** Makes the file of an upload from its parts, which flow past: no more than a piece of one is held. */
@Injectable()
export class UploadAssembly {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(StoredBytes) private readonly stored: StoredBytes,
    @Inject(InputLines) private readonly lines: InputLines,
  ) {}

  /**
   * The same file for the same upload, however often and by how many it is made.
   * @param upload with what it is completed of
   * @throws MadakvError invalid_request where the content is not what was said of it; DocumentError for no document;
   *   StorageError not_found where a part is gone, as of an upload that somebody else has ended
   */
  async file({ tenant, object: upload, fileExpirySeconds, completion }: UploadRecord): Promise<FileObject> {
    const id = uploadedFileId(upload.id);
    const { partIds, md5 } = completion ?? { partIds: [], md5: null };
    const facts = new ContentFacts();
    // All who make it write to one key: what is not right must fail before it is there.
    const content = verified(this.content(upload.id, partIds), facts, upload.purpose, md5);
    const { bytes, sha256 } = await this.store.put(storeKeys.file(id), content);
    const created_at = Math.floor(Date.now() / 1000);
    const { filename, purpose } = upload;
    const object: FileObject = {
      id,
      object: 'file',
      bytes,
      created_at,
      ...(fileExpirySeconds === undefined ? {} : { expires_at: created_at + fileExpirySeconds }),
      filename,
      purpose,
      status: 'processed',
    };
    if (purpose === 'batch') await this.lines.set(tenant, id, facts.lines);
    const record: FileRecord = { tenant, key: storeKeys.file(id), sha256, object };
    await this.records.files.create(record);
    await this.stored.replaceParts(tenant, upload.id, (await this.records.uploads.parts(upload.id)).keys(), object);
    return object;
  }

  private async *content(uploadId: string, partIds: readonly string[]): AsyncGenerator<Uint8Array, void, undefined> {
    for (const partId of partIds) yield* await this.store.get(storeKeys.uploadPart(uploadId, partId));
  }
}

/**
 * Passes content on, and fails with its end where it is not what was said of it.
 * @throws MadakvError invalid_request, too_large; DocumentError
 */
async function* verified(
  content: AsyncIterable<Uint8Array>,
  facts: ContentFacts,
  purpose: UploadPurpose,
  md5: string | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  const digest = createHash('md5');
  let bytes = 0;
  const checkHead = (head: Uint8Array): void => {
    if (purpose === 'user_data') checkMediaType(head);
  };
  for await (const piece of facts.pass(content, checkHead)) {
    digest.update(piece);
    bytes += piece.length;
    yield piece;
  }
  const found = digest.digest('hex');
  if (md5 !== null && md5 !== found) {
    throw new MadakvError('invalid_request', `The content has the MD5 ${found}; expected ${md5}.`, { param: 'md5' });
  }
  if (purpose === 'user_data') checkDocument(facts.head, bytes);
}

/** That these parts make up what the upload was created for. @throws MadakvError invalid_request */
export function checkParts(
  { id, bytes }: UploadObject,
  partIds: readonly string[],
  parts: ReadonlyMap<string, number>,
): void {
  let sum = 0;
  const seen = new Set<string>();
  for (const [i, partId] of partIds.entries()) {
    const size = parts.get(partId);
    const param = `part_ids.${i}`;
    if (size === undefined) throw new MadakvError('invalid_request', `${id} has no part ${partId}.`, { param });
    if (seen.has(partId)) throw new MadakvError('invalid_request', `${partId} is named twice.`, { param });
    seen.add(partId);
    sum += size;
  }
  if (sum === bytes) return;
  const message = `The ${partIds.length} parts have ${sum} bytes; the upload was created for ${bytes} bytes.`;
  throw new MadakvError('invalid_request', message, { param: 'part_ids' });
}
