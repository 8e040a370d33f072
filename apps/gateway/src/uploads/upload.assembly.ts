import {
  MadakvError,
  storeKeys,
  uploadedFileId,
  type FileObject,
  type FileRecord,
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
    const digest = createHash('md5');
    const content = facts.pass(this.content(upload.id, partIds, digest), (head) => {
      if (upload.purpose === 'user_data') checkMediaType(head);
    });
    const { bytes, sha256 } = await this.store.put(storeKeys.file(id), content);
    const found = digest.digest('hex');
    if (md5 !== null && md5 !== found) {
      throw new MadakvError('invalid_request', `The content has the MD5 ${found}; expected ${md5}.`, { param: 'md5' });
    }
    if (upload.purpose === 'user_data') checkDocument(facts.head, bytes);
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

  private async *content(
    uploadId: string,
    partIds: readonly string[],
    digest: ReturnType<typeof createHash>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for (const partId of partIds) {
      for await (const piece of await this.store.get(storeKeys.uploadPart(uploadId, partId))) {
        digest.update(piece as Buffer);
        yield piece as Buffer;
      }
    }
  }
}
