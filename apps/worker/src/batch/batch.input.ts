import type { BatchRecord } from '@madakv/contracts';
import { scanLines, StorageError, type FileLine, type FilePosition, type FileStore } from '@madakv/storage';

/** The input file was deleted under its batch. */
export class InputFileMissing extends Error {
  override readonly name = 'InputFileMissing';
}

/** Reads the input files of batches. */
export class BatchInput {
  constructor(
    private readonly store: Pick<FileStore, 'get' | 'head'>,
    /** Longest line, in bytes. */
    readonly maxLineBytes: number,
  ) {}

  /** @throws InputFileMissing */
  async bytes({ inputKey, object }: BatchRecord): Promise<number> {
    const info = await this.store.head(inputKey);
    if (info === undefined) throw missing(object.input_file_id);
    return info.bytes;
  }

  /** @throws InputFileMissing */
  async *lines(
    record: BatchRecord,
    from: FilePosition,
    signal?: AbortSignal,
  ): AsyncGenerator<FileLine, void, undefined> {
    const pieces = await this.store.get(record.inputKey, { start: from.byte }).catch((error: unknown) => {
      if (error instanceof StorageError && error.code === 'not_found') throw missing(record.object.input_file_id);
      throw error;
    });
    try {
      for await (const line of scanLines(pieces, from, this.maxLineBytes)) {
        signal?.throwIfAborted();
        yield line;
      }
    } finally {
      pieces.destroy();
    }
  }
}

function missing(fileId: string): InputFileMissing {
  return new InputFileMissing(`the input file ${fileId} is gone`);
}
