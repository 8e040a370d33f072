import { storeParts } from '@madakv/contracts';
import { hasEnded, type BatchControl, type Records } from '@madakv/records';
import type { FileInfo, FileStore } from '@madakv/storage';
import type { WebhookAnnouncer } from '../webhook/index.js';
import { deleteAll } from './stored.files.js';

const HOUR_MS = 3_600_000;
/** Files of one kind that a sweep deletes, and records that it looks at. */
const MOST_FILES = 2_000;
/** Files of a kind that is named after batches: all of one batch, tens of thousands and for each of its questions, are in one part. */
const MOST_OF_BATCHES = 100_000;
const MOST_RECORDS = 500;
/** What belongs to no running request or upload is deleted after this. */
const ORPHAN_MS = 24 * HOUR_MS;
/** Parts of the store; one a sweep. */
const PARTS = 256;

export interface SweeperOptions {
  readonly records: Pick<Records, 'batches' | 'files' | 'uploads'>;
  readonly store: Pick<FileStore, 'list' | 'delete'>;
  readonly control: Pick<BatchControl, 'expire' | 'carryOn'>;
  readonly announcer: Pick<WebhookAnnouncer, 'announceRest'>;
  /** Between two sweeps. */
  readonly intervalMs: number;
  readonly documentCacheMs: number;
  readonly traceMs: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** What a sweep did. */
export interface SweepReport {
  readonly deletedKeys: number;
  readonly openBatches: number;
}

/**
 * Deletes what has become old, keeps batches going whose job was lost or whose time is over, and announces ends that nobody was told of. Each sweep does a bounded
 * amount of work: one of 256 parts of the file store, the next one the next time. Uploads that expire are the gateway's, which counts them.
 */
export class Sweeper {
  private readonly now: () => number;

  constructor(private readonly options: SweeperOptions) {
    this.now = options.now ?? Date.now;
  }

  async sweep(): Promise<SweepReport> {
    await this.options.announcer.announceRest(MOST_RECORDS);
    const openBatches = await this.watchBatches();
    const part = Math.floor(this.now() / this.options.intervalMs) % PARTS;
    const deletedKeys = await this.deleteOldKeys(part.toString(16).padStart(2, '0'));
    return { openBatches, deletedKeys };
  }

  private async watchBatches(): Promise<number> {
    const { records, control } = this.options;
    const ids = await records.batches.open(MOST_RECORDS);
    for (const id of ids) {
      const record = await records.batches.get(id);
      if (record === undefined) continue;
      const { expires_at } = record.object;
      if (expires_at !== undefined && expires_at * 1_000 <= this.now()) await control.expire(id);
      else await control.carryOn(record);
    }
    return ids.length;
  }

  private async deleteOldKeys(digits: string): Promise<number> {
    const { documentCacheMs, traceMs } = this.options;
    const parts = storeParts(digits);
    let deleted = 0;
    for (const prefix of [parts.documents, parts.images]) {
      deleted += await this.deleteOlder(prefix, documentCacheMs, MOST_FILES);
    }
    for (const prefix of parts.texts) deleted += await this.deleteOlder(prefix, documentCacheMs, MOST_OF_BATCHES);
    for (const prefix of parts.traces) deleted += await this.deleteOlder(prefix, traceMs, MOST_OF_BATCHES);
    deleted += await this.deleteOlder(parts.chats, ORPHAN_MS, MOST_FILES);
    deleted += await this.deleteOlder(parts.lines, ORPHAN_MS, MOST_OF_BATCHES, this.ofEndedBatch());
    deleted += await this.deleteOlder(parts.files, ORPHAN_MS, MOST_FILES, this.withoutRecord());
    deleted += await this.deleteOlder(parts.uploads, ORPHAN_MS, MOST_FILES, this.ofNoUpload());
    return deleted;
  }

  private deleteOlder(
    prefix: string,
    keepMs: number,
    most: number,
    isWanted: (file: FileInfo) => boolean | Promise<boolean> = () => true,
  ): Promise<number> {
    const before = this.now() - keepMs;
    const isOld = (file: FileInfo): boolean | Promise<boolean> => file.modifiedAt.getTime() < before && isWanted(file);
    return deleteAll(this.options.store, prefix, isOld, most);
  }

  /** Of a line whose worker went on after its batch had ended. */
  private ofEndedBatch(): (file: FileInfo) => Promise<boolean> {
    const known = new Map<string, boolean>();
    return async ({ key }) => {
      const batchId = key.split('/')[1].replace(/_\d+$/, '');
      let ended = known.get(batchId);
      if (ended === undefined) {
        const record = await this.options.records.batches.get(batchId);
        ended = record === undefined || hasEnded(record.object.status);
        known.set(batchId, ended);
      }
      return ended;
    };
  }

  /** Parts of an upload that is over, which its gateway did not live to delete. */
  private ofNoUpload(): (file: FileInfo) => Promise<boolean> {
    return async ({ key }) => !(await this.options.records.uploads.isPending(key.split('/')[1]));
  }

  /** Of an upload whose process died before it was recorded, or a deletion that was not finished. */
  private withoutRecord(): (file: FileInfo) => Promise<boolean> {
    return async ({ key }) => !(await this.options.records.files.has(key.slice(key.lastIndexOf('/') + 1)));
  }
}
