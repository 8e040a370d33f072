import type { FileRecord, UploadFacts } from '@madakv/contracts';
import type { FileRepository } from '@madakv/records';

/** Uploads that are remembered while an input file is read. */
const MOST = 8_192;

/** What is known of a tenant's uploads that the lines of one input file name, each asked for once. */
export class UploadCache {
  private readonly known = new Map<string, FileRecord | undefined>();

  constructor(
    private readonly files: Pick<FileRepository, 'find'>,
    private readonly tenant: string,
  ) {}

  /** Hexadecimal SHA-256 of its content; undefined where there is no such upload, here and below. */
  async digestOf(fileId: string): Promise<string | undefined> {
    return (await this.find(fileId))?.sha256;
  }

  async factsOf(fileId: string): Promise<UploadFacts | undefined> {
    return (await this.find(fileId))?.object;
  }

  private async find(fileId: string): Promise<FileRecord | undefined> {
    if (this.known.has(fileId)) return this.known.get(fileId);
    if (this.known.size >= MOST) this.known.clear();
    const record = await this.files.find(this.tenant, fileId);
    this.known.set(fileId, record);
    return record;
  }
}
