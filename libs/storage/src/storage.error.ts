export const STORAGE_ERROR_CODES = ['not_found', 'bad_key', 'bad_range', 'too_large', 'storage_failed'] as const;
export type StorageErrorCode = (typeof STORAGE_ERROR_CODES)[number];

/** What a file store could not do. `storage_failed` may pass later: a full disk, a bucket out of reach. */
export class StorageError extends Error {
  override readonly name = 'StorageError';

  constructor(
    readonly code: StorageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get retryable(): boolean {
    return this.code === 'storage_failed';
  }
}

/** An error of the system below, as one of this package. */
export function storageFailed(doing: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  const { code, name, message } = cause as NodeJS.ErrnoException;
  return new StorageError('storage_failed', `${doing} failed (${code ?? name}): ${message}`, { cause });
}
