import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { MadakvError, type FileRecord } from '@madakv/contracts';
import {
  checkMediaType,
  DocumentError,
  fetchResource,
  formatBytes,
  isDataUrl,
  MEDIA_TYPES,
  parseBase64,
  parseDataUrl,
  sniffMediaType,
  type FetchPolicy,
  type MediaType,
} from '@madakv/documents';
import { StorageError, type FileStore } from '@madakv/storage';
import type { DocumentPart, PartContent } from './document.part.js';
import type { KnownDocuments } from './known.documents.js';

/** Files that users have uploaded. */
export interface UserFiles {
  /** @returns undefined where there is none, or it is another tenant's */
  find(tenant: string, fileId: string): Promise<FileRecord | undefined>;
}

interface ContentLimits {
  /** A data URL, bare base64, a stored file: each may be as long as a PDF. */
  readonly maxDocumentBytes: number;
  readonly maxImageBytes: number;
}

const IMAGE_TYPES = MEDIA_TYPES.filter((type) => type !== 'application/pdf');
/** What may have many pages, and be as long as a document. */
const DOCUMENT_TYPES: ReadonlySet<MediaType> = new Set(['application/pdf', 'image/tiff']);
/** First bytes of a stored file that tell its type. */
const SNIFFED_BYTES = 1024;

interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** What was fetched for others before. */
  readonly known?: KnownDocuments | undefined;
}

/** Finds what a part names: in itself, among the user's files, or on the net. */
export class PartContents {
  constructor(
    private readonly store: Pick<FileStore, 'get'>,
    private readonly files: UserFiles,
    private readonly fetchPolicy: FetchPolicy,
    private readonly limits: ContentLimits,
  ) {}

  /** @throws DocumentError, StorageError; MadakvError `not_found`, `invalid_request`; the signal's reason when aborted */
  async open({ part, path }: DocumentPart, tenant: string, { signal, known }: OpenOptions = {}): Promise<PartContent> {
    const at = { signal, known };
    if (part.type === 'image_url') return this.fromUrl(part.image_url.url, IMAGE_TYPES, at);
    const { data, id, url } = sourcesOf(part.file);
    if (id !== undefined) return this.stored(id, tenant, path);
    if (url !== undefined) return this.fromUrl(url, MEDIA_TYPES, at);
    if (data === undefined) throw new MadakvError('invalid_request', `${path}: no content`, { param: path });
    if (isDataUrl(data)) return this.fromUrl(data, MEDIA_TYPES, at);
    return inMemory(parseBase64(data, this.limits.maxDocumentBytes), undefined, MEDIA_TYPES);
  }

  private async fromUrl(
    url: string,
    accepted: readonly MediaType[],
    { signal, known }: OpenOptions,
  ): Promise<PartContent> {
    const maxBytes = accepted === IMAGE_TYPES ? this.limits.maxImageBytes : this.limits.maxDocumentBytes;
    if (isDataUrl(url)) {
      const { bytes, mediaType } = parseDataUrl(url, maxBytes);
      return inMemory(bytes, mediaType, accepted);
    }
    const fetch = async (): Promise<PartContent> => {
      const { bytes, mediaType } = await fetchResource(url, { ...this.fetchPolicy, accepted, maxBytes }, signal);
      return inMemory(bytes, mediaType, accepted);
    };
    // What may be a document need not be one that is taken for an image.
    const name = `${accepted === IMAGE_TYPES ? 'image' : 'document'} ${url}`;
    return known === undefined ? fetch() : known.content(name, fetch);
  }

  private async stored(id: string, tenant: string, path: string): Promise<PartContent> {
    const param = `${path}.file_id`;
    const record = await this.files.find(tenant, id);
    if (record === undefined) throw new MadakvError('not_found', `${param}: there is no file ${id}`, { param });
    const { purpose, bytes: size } = record.object;
    if (purpose !== 'user_data') {
      const message = `${param}: the file ${id} has the purpose ${purpose}; a document needs user_data`;
      throw new MadakvError('invalid_request', message, { param });
    }
    const start = await this.read(record, param, { start: 0, length: SNIFFED_BYTES });
    const mediaType = await this.storedType(record, param, start);
    this.checkSize(size, mediaType);
    return {
      sha256: record.sha256,
      mediaType,
      size,
      bytes: () => this.read(record, param),
    };
  }

  /** The file's name, where it has one. */
  async nameOf({ part }: DocumentPart, tenant: string): Promise<string | undefined> {
    if (part.type === 'image_url') return undefined;
    const { id } = sourcesOf(part.file);
    if (part.file.filename !== undefined || id === undefined) return part.file.filename;
    return (await this.files.find(tenant, id))?.object.filename;
  }

  /** What is no document may show what it is further on. */
  private async storedType(record: FileRecord, param: string, start: Uint8Array): Promise<MediaType> {
    const known = sniffMediaType(start) !== undefined || record.object.bytes > this.limits.maxDocumentBytes;
    return checkMediaType(known ? start : await this.read(record, param));
  }

  /** Before it is read; what comes in another way is measured on the way. */
  private checkSize(size: number, mediaType: MediaType): void {
    const { maxDocumentBytes, maxImageBytes } = this.limits;
    const [limit, code] = DOCUMENT_TYPES.has(mediaType)
      ? ([maxDocumentBytes, 'document_too_large'] as const)
      : ([maxImageBytes, 'image_too_large'] as const);
    if (size <= limit) return;
    throw new DocumentError(code, `the file has ${formatBytes(size)}; the limit is ${formatBytes(limit)}`);
  }

  private async read(
    { key, object }: FileRecord,
    param: string,
    range?: { start: number; length: number },
  ): Promise<Uint8Array> {
    try {
      return await buffer(await this.store.get(key, range));
    } catch (cause) {
      if (!(cause instanceof StorageError && cause.code === 'not_found')) throw cause;
      // It was deleted since its record was read.
      throw new MadakvError('not_found', `${param}: there is no file ${object.id}`, { param, cause });
    }
  }
}

interface FileSources {
  readonly file_data?: string | null | undefined;
  readonly file_id?: string | null | undefined;
  readonly file_url?: string | null | undefined;
}

/** Null counts as left out. */
function sourcesOf({ file_data: data, file_id: id, file_url: url }: FileSources) {
  return { data: data ?? undefined, id: id ?? undefined, url: url ?? undefined };
}

function inMemory(bytes: Uint8Array, declared: string | undefined, accepted: readonly MediaType[]): PartContent {
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    mediaType: checkMediaType(bytes, declared, accepted),
    size: bytes.length,
    bytes: () => Promise.resolve(bytes),
  };
}
