import type { FileInfo, FileStore } from '@madakv/storage';

/** Files that are deleted at a time. */
const DELETED_AT_A_TIME = 16;

/**
 * Deletes the files whose keys begin with the prefix.
 * @param isWanted which of them; all by default
 * @param most how many at most
 * @returns how many were deleted
 */
export async function deleteAll(
  store: Pick<FileStore, 'list' | 'delete'>,
  prefix: string,
  isWanted: (file: FileInfo) => boolean | Promise<boolean> = () => true,
  most = Infinity,
): Promise<number> {
  let deleted = 0;
  let keys: string[] = [];
  const flush = async (): Promise<void> => {
    await Promise.all(keys.map((key) => store.delete(key)));
    deleted += keys.length;
    keys = [];
  };
  for await (const file of store.list(prefix)) {
    if (deleted + keys.length >= most) break;
    if (!(await isWanted(file))) continue;
    keys.push(file.key);
    if (keys.length === DELETED_AT_A_TIME) await flush();
  }
  await flush();
  return deleted;
}
