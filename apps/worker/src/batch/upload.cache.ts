import type { FileRecord, UploadFacts } from '@madakv/contracts';
import type { FileRepository } from '@madakv/records';
import { RecentMap } from './recent.map.js';

/** Uploads that are remembered while an input file is read. */
const MOST = 8_192;

/** What is known of a tenant's uploads that the lines of one input file name, asked for together. */
export class UploadCache {
  private readonly known = new RecentMap<string, FileRecord | undefined>(MOST);

  constructor(
    private readonly files: Pick<FileRepository, 'findMany'>,
    private readonly tenant: string,
  ) {}

  /** Asks for those together that are not known yet; the first `MOST` of them, where they are more. */
  async prefetch(fileIds: Iterable<string>): Promise<void> {
    const wanted = [...new Set(fileIds)].slice(0, MOST);
    const missing = wanted.filter((id) => !this.known.has(id));
    // Those that are known already stay so until they are asked for.
    for (const id of wanted) this.known.get(id);
    if (missing.length === 0) return;
    const records = await this.files.findMany(this.tenant, missing);
    missing.forEach((id, i) => {
      this.known.set(id, records[i]);
    });
  }

  /** Hexadecimal SHA-256 of its content; undefined where there is no such upload, here and below. */
  async digestOf(fileId: string): Promise<string | undefined> {
    return (await this.find(fileId))?.sha256;
  }

  async factsOf(fileId: string): Promise<UploadFacts | undefined> {
    return (await this.find(fileId))?.object;
  }

  private async find(fileId: string): Promise<FileRecord | undefined> {
    if (!this.known.has(fileId)) await this.prefetch([fileId]);
    return this.known.get(fileId);
  }
}
