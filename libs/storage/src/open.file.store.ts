import type { FileStore } from './file.store.js';
import { LocalFileStore } from './local.file.store.js';
import { S3FileStore } from './s3.file.store.js';

const BUCKET_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;

/**
 * The store that a setting names: a folder, or `s3://bucket/prefix`. For a bucket, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL
 * names a service other than Amazon's, AWS_REGION or AWS_DEFAULT_REGION the region; keys come from where the AWS SDK
 * finds them.
 * @throws RangeError for an s3: URL that names no bucket; StorageError `storage_failed` when a folder cannot be used
 */
export async function openFileStore(
  setting: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<FileStore> {
  if (!/^s3:/i.test(setting)) return LocalFileStore.open(setting);
  const parts = BUCKET_URL.exec(setting);
  if (parts === null) throw new RangeError(`${setting} is not a bucket; expected s3://bucket or s3://bucket/prefix`);
  const [, bucket, path] = parts as unknown as [string, string, string | undefined];
  const prefix = (path ?? '').replace(/\/+$/, '');
  const endpoint = set(environment['AWS_ENDPOINT_URL_S3']) ?? set(environment['AWS_ENDPOINT_URL']);
  const region = set(environment['AWS_REGION']) ?? set(environment['AWS_DEFAULT_REGION']);
  return new S3FileStore({
    bucket,
    ...(prefix === '' ? {} : { prefix: `${prefix}/` }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  });
}

/** An empty variable counts as unset. */
function set(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
