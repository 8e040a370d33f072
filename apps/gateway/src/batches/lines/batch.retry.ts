import { MadakvError, type BatchObject } from '@madakv/contracts';
import { scanLines, StorageError, type FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import { FilesService } from '../../files/files.service.js';
import { STORE } from '../../gateway.tokens.js';
import { BatchesService } from '../batches.service.js';
import { BatchLinesService } from './batch.lines.service.js';

/** Longest line that is copied, in bytes. */
const MAX_LINE_BYTES = 100 * 1024 ** 2;
/** Pairs that metadata has at most. */
const MAX_PAIRS = 16;

/** Asks once more what failed: a batch of its own, of those lines only. */
@Injectable()
export class BatchRetry {
  constructor(
    @Inject(BatchLinesService) private readonly lines: BatchLinesService,
    @Inject(BatchesService) private readonly batches: BatchesService,
    @Inject(FilesService) private readonly files: FilesService,
    @Inject(STORE) private readonly store: FileStore,
  ) {}

  /** @throws MadakvError not_found; conflict where nothing failed, or the input file is gone */
  async retry(tenant: string, id: string): Promise<BatchObject> {
    const { record, index } = await this.lines.ended(tenant, id);
    // A line that is none, or too long, would fail again the same way, but that is for its owner to see.
    const failed = new Set(index.find({ status: 'failed' }).map(({ line }) => line));
    if (failed.size === 0) {
      const why =
        record.object.request_counts.failed === 0
          ? `No line of ${id} failed.`
          : `The error file of ${id} is gone: which of its lines failed is not known any more.`;
      throw new MadakvError('conflict', why, { param: 'id' });
    }
    const file = await this.files.writeInput(tenant, `${id}_retry.jsonl`, this.copied(record.inputKey, failed));
    const pairs = Object.entries(record.object.metadata ?? {}).filter(([name]) => name !== 'retry_of');
    const metadata = Object.fromEntries([...pairs.slice(0, MAX_PAIRS - 1), ['retry_of', id]]);
    const { endpoint, completion_window } = record.object;
    const body = { input_file_id: file.id, endpoint, completion_window, metadata };
    try {
      return await this.batches.create(tenant, JSON.stringify(body), undefined);
    } catch (error) {
      await this.files.delete(tenant, file.id).catch(() => undefined);
      throw error;
    }
  }

  private async *copied(key: string, lines: ReadonlySet<number>): AsyncGenerator<Uint8Array, void, undefined> {
    const pieces = await this.store.get(key).catch((error: unknown) => {
      if (!(error instanceof StorageError && error.code === 'not_found')) throw error;
      throw new MadakvError('conflict', 'The input file is gone: send its lines as a new batch.', { cause: error });
    });
    try {
      for await (const { line, content } of scanLines(pieces, { byte: 0, line: 1 }, MAX_LINE_BYTES)) {
        if (lines.has(line) && content !== undefined) yield Buffer.concat([content, Buffer.from('\n')]);
      }
    } finally {
      pieces.destroy();
    }
  }
}
