import { storeKeys, uploadedFileId, type UploadRecord } from '@madakv/contracts';
import { Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { FilesService } from '../files/files.service.js';
import { STORE } from '../gateway.tokens.js';
import { StoredBytes } from '../limits/stored.bytes.js';

/** Parts that are deleted at a time. */
const DELETED_AT_A_TIME = 16;

/** What an upload that has ended leaves behind: its parts, what they count, and the file of one that was not completed. */
@Injectable()
export class UploadRemains {
  private readonly logger = new Logger('UploadRemains');

  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(StoredBytes) private readonly stored: StoredBytes,
    @Inject(FilesService) private readonly files: FilesService,
  ) {}

  /** Takes it away. What fails here changes nothing about the upload's end: a sweep goes on with it. */
  async clear(ended: UploadRecord): Promise<void> {
    const { id } = ended.object;
    try {
      await this.remove(ended);
      await this.records.uploads.cleared(id);
    } catch (error) {
      const message = 'parts of an upload that has ended were not deleted; the next sweep will';
      this.logger.warn({ message, upload: id, error: String(error) });
    }
  }

  private async remove({ tenant, object: { id, status } }: UploadRecord): Promise<void> {
    // Somebody may have begun to complete it.
    if (status !== 'completed') await this.files.remove(tenant, uploadedFileId(id));
    const folder = storeKeys.uploadPart(id, '');
    let partIds: string[] = [];
    const flush = async (): Promise<void> => {
      // As long as a part is stored, what it counts can be found by it.
      await this.stored.removeParts(tenant, id, partIds);
      await Promise.all(partIds.map((partId) => this.store.delete(storeKeys.uploadPart(id, partId))));
      partIds = [];
    };
    for await (const { key } of this.store.list(folder)) {
      partIds.push(key.slice(folder.length));
      if (partIds.length === DELETED_AT_A_TIME) await flush();
    }
    await flush();
  }
}
