import { storeKeys, type BatchRecord } from '@madakv/contracts';
import { StorageError } from '@madakv/storage';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { resultsAsCsv, resultsAsJsonLines } from './batch.results.stream.js';
import { LineIndex } from './line.index.js';

const RECORD = { object: { output_file_id: 'file-out', error_file_id: 'file-err' } } as BatchRecord;
const line = (id: string): string => `${JSON.stringify({ id, custom_id: id, response: null, error: null })}\n`;

/** Files that note whether they are still open. */
class Files {
  readonly opened: Readable[] = [];

  constructor(private readonly contents: Readonly<Record<string, string>>) {}

  readonly get = (key: string): Promise<Readable> => {
    const content = new Map(Object.entries(this.contents)).get(key);
    if (content === undefined) return Promise.reject(new StorageError('not_found', `${key} is not there`));
    // Without an end: whoever reads on waits.
    const pieces = Readable.from(
      (async function* () {
        yield Buffer.from(content);
        await new Promise(() => undefined);
      })(),
    );
    this.opened.push(pieces);
    return Promise.resolve(pieces);
  };
}

describe.each([
  ['JSON Lines', resultsAsJsonLines],
  ['a table', resultsAsCsv],
])('results as %s', (_, results) => {
  it('leave no file open when nobody reads on', async () => {
    const files = new Files({ [storeKeys.file('file-out')]: line('a'), [storeKeys.file('file-err')]: line('b') });
    const pieces = results(files, [{ record: RECORD, index: new LineIndex('batch_a') }]);
    expect((await pieces.next()).done).toBe(false);
    await pieces.return();
    expect(files.opened.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });

  it('say with the first piece that one of the files is gone, and leave the other one closed', async () => {
    const files = new Files({ [storeKeys.file('file-err')]: line('b') });
    const pieces = results(files, [{ record: RECORD, index: new LineIndex('batch_a') }]);
    await expect(pieces.next()).rejects.toMatchObject({ code: 'not_found' });
    expect(files.opened.map(({ destroyed }) => destroyed)).toEqual([true]);
  });
});
