import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable } from 'node:stream';
import { ContentMeter } from './content.meter.js';
import { checkKey, checkPrefix } from './file.key.js';
import type { FileInfo, FileRange, FileSource, FileStore, FileWriter, PutOptions, PutResult } from './file.store.js';
import { PipedFileWriter } from './piped.file.writer.js';
import { readableWithErrors, withSourceErrors } from './source.errors.js';
import { StorageError, storageFailed } from './storage.error.js';

export interface S3Settings {
  bucket: string;
  /** In front of all keys, ending in a slash; none by default. */
  prefix?: string;
  /** Of an S3-compatible service; Amazon's by default. */
  endpoint?: string;
  region?: string;
  /** By default what the standard environment variables, files and roles say. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** The bucket in the path rather than in the host name, as most services other than Amazon's want it. */
  forcePathStyle?: boolean;
  /** Bytes of one part of an upload, at least 5 MiB; memory for {@link PARTS_AT_A_TIME} of them is held. */
  partBytes?: number;
}

const PART_BYTES = 8 * 1024 ** 2;
const PARTS_AT_A_TIME = 2;

/** Files in a bucket. A multipart upload that its process did not live to end stays invisible; expire such by a lifecycle rule. */
export class S3FileStore implements FileStore {
  private readonly client: S3Client;
  private readonly bucket: string;
  private readonly prefix: string;
  private readonly partBytes: number;

  constructor(settings: S3Settings) {
    this.bucket = settings.bucket;
    this.prefix = settings.prefix ?? '';
    if (!/^([^/]+\/)*$/.test(this.prefix)) throw new RangeError(`the prefix ${this.prefix} does not end in a slash`);
    this.partBytes = settings.partBytes ?? PART_BYTES;
    this.client = new S3Client({
      region: settings.region ?? 'us-east-1',
      ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
      ...(settings.credentials === undefined ? {} : { credentials: settings.credentials }),
      forcePathStyle: settings.forcePathStyle ?? settings.endpoint !== undefined,
      // Checksums in trailers are more than many compatible services understand.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  async put(key: string, source: FileSource, options: PutOptions = {}): Promise<PutResult> {
    const meter = new ContentMeter(source, options);
    // The source's own error, which the upload hands on wrapped or not at all.
    const failed: { error?: unknown } = {};
    const content = withSourceErrors(meter.content(), (error) => (failed.error = error));
    const upload = new Upload({
      client: this.client,
      params: { ...this.at(key), Body: Readable.from(content, { objectMode: false }) },
      partSize: this.partBytes,
      queueSize: PARTS_AT_A_TIME,
      leavePartsOnError: false,
    });
    const aborted = (): void => {
      void upload.abort();
    };
    options.signal?.addEventListener('abort', aborted, { once: true });
    try {
      await upload.done();
      return meter.result();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw 'error' in failed ? failed.error : storageFailed(`storing ${key}`, error);
    } finally {
      options.signal?.removeEventListener('abort', aborted);
    }
  }

  createWriter(key: string, options?: PutOptions): FileWriter {
    return new PipedFileWriter(this, checkKey(key), options);
  }

  async get(key: string, range?: FileRange): Promise<Readable> {
    const start = range?.start ?? 0;
    const last = range?.length === undefined ? '' : start + range.length - 1;
    if (range !== undefined && (start < 0 || range.length === 0)) return this.nothing(key, start);
    try {
      const asked = range === undefined ? {} : { Range: `bytes=${start}-${last}` };
      const { Body } = await this.client.send(new GetObjectCommand({ ...this.at(key), ...asked }));
      if (!(Body instanceof Readable)) throw new Error('no body in the answer');
      return readableWithErrors(Body, (error) => storageFailed(`reading ${key}`, error));
    } catch (error) {
      if (statusOf(error) === 416) return this.nothing(key, start);
      throw this.asStorageError(key, error);
    }
  }

  async head(key: string): Promise<FileInfo | undefined> {
    try {
      const found = await this.client.send(new HeadObjectCommand(this.at(key)));
      return { key, bytes: found.ContentLength ?? 0, modifiedAt: found.LastModified ?? new Date(0) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw this.asStorageError(key, error);
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await this.client.send(new DeleteObjectCommand(this.at(key)));
    } catch (error) {
      if (statusOf(error) !== 404) throw this.asStorageError(key, error);
    }
  }

  list(prefix: string): AsyncIterable<FileInfo> {
    return this.pages(this.prefix + checkPrefix(prefix));
  }

  async check(): Promise<void> {
    try {
      await this.client.send(new HeadBucketCommand({ Bucket: this.bucket }));
    } catch (error) {
      throw storageFailed(`reaching the bucket ${this.bucket}`, error);
    }
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.client.destroy();
  }

  private async *pages(prefix: string): AsyncGenerator<FileInfo, void, undefined> {
    try {
      const request = { Bucket: this.bucket, Prefix: prefix };
      for await (const { Contents = [] } of paginateListObjectsV2({ client: this.client }, request)) {
        for (const { Key, Size, LastModified } of Contents) {
          const key = Key?.slice(this.prefix.length) ?? '';
          yield { key, bytes: Size ?? 0, modifiedAt: LastModified ?? new Date(0) };
        }
      }
    } catch (error) {
      throw storageFailed(`listing ${prefix}`, error);
    }
  }

  /** The end of a file has no bytes, which S3 does not take for a range. */
  private async nothing(key: string, start: number): Promise<Readable> {
    const found = await this.head(key);
    if (found === undefined) throw new StorageError('not_found', `there is no file ${key}`);
    if (start >= 0 && start <= found.bytes) return Readable.from([]);
    throw new StorageError('bad_range', `${key} has ${found.bytes} bytes; byte ${start} and on were asked for`);
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.prefix + checkKey(key) };
  }

  private asStorageError(key: string, error: unknown): StorageError {
    if (statusOf(error) === 404) return new StorageError('not_found', `there is no file ${key}`, { cause: error });
    return storageFailed(`using ${key}`, error);
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
