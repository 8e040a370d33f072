import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const MIN_PART = 5 * 1024 ** 2;
/** Few a page, so that listings have several. */
const KEYS_A_PAGE = 3;

interface Stored {
  content: Buffer;
  modifiedAt: Date;
}

/** What the store uses of S3, kept in memory: one bucket, path style, signatures not verified. For tests. */
export class FakeS3 {
  readonly files = new Map<string, Stored>();
  /** Multipart uploads begun and neither completed nor aborted. */
  readonly uploads = new Map<string, Map<number, Buffer>>();
  /** Answer the next requests with this status. */
  failWith: number | undefined;
  /** The same for those with this method alone. */
  failOf: string | undefined;
  /** Break contents off in their middle. */
  breaksOff = false;

  private readonly server: Server;

  private constructor(readonly bucket: string) {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  static async start(bucket: string): Promise<FakeS3> {
    const fake = new FakeS3(bucket);
    await new Promise<void>((resolve) => fake.server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.endpoint);
    const [bucket, ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent);
    const key = rest.join('/');
    const body = await readAll(request);
    if (this.failWith !== undefined && (this.failOf ?? request.method) === request.method) {
      fail(response, this.failWith, 'InternalError');
      return;
    }
    if (bucket !== this.bucket) {
      fail(response, 404, 'NoSuchBucket');
      return;
    }
    if (request.headers.authorization?.startsWith('AWS4-HMAC-SHA256') !== true) {
      fail(response, 403, 'AccessDenied');
      return;
    }
    if (key === '') {
      this.onBucket(request, url.searchParams, response);
      return;
    }
    if (url.searchParams.has('uploads') || url.searchParams.has('uploadId')) {
      this.onUpload(request, key, url.searchParams, body, response);
      return;
    }
    if (request.method === 'PUT') {
      this.store(key, body, response);
      return;
    }
    if (request.method === 'DELETE') {
      this.files.delete(key);
      response.writeHead(204).end();
      return;
    }
    const found = this.files.get(key);
    if (found === undefined) {
      fail(response, 404, 'NoSuchKey');
      return;
    }
    if (this.breaksOff && request.method === 'GET') {
      response.writeHead(200, { 'content-length': found.content.length });
      response.write(found.content.subarray(0, found.content.length / 2), () => {
        request.socket.destroy();
      });
      return;
    }
    read(request, found, response);
  }

  private onBucket(request: IncomingMessage, query: URLSearchParams, response: ServerResponse): void {
    if (request.method === 'HEAD') {
      response.writeHead(200).end();
      return;
    }
    const after = query.get('continuation-token') ?? '';
    const prefix = query.get('prefix') ?? '';
    const all = [...this.files.keys()].sort().filter((key) => key.startsWith(prefix) && key > after);
    const page = all.slice(0, KEYS_A_PAGE);
    const contents = page.map((key) => {
      const { content, modifiedAt } = this.files.get(key) ?? { content: Buffer.alloc(0), modifiedAt: new Date() };
      const modified = modifiedAt.toISOString();
      return `<Contents><Key>${key}</Key><Size>${content.length}</Size><LastModified>${modified}</LastModified></Contents>`;
    });
    const next = all.length > page.length ? `<NextContinuationToken>${page.at(-1) ?? ''}</NextContinuationToken>` : '';
    const truncated = `<IsTruncated>${all.length > page.length}</IsTruncated>`;
    answer(response, `<ListBucketResult>${truncated}${next}${contents.join('')}</ListBucketResult>`);
  }

  private onUpload(
    request: IncomingMessage,
    key: string,
    query: URLSearchParams,
    body: Buffer,
    response: ServerResponse,
  ): void {
    if (request.method === 'POST' && query.has('uploads')) {
      const id = randomUUID();
      this.uploads.set(id, new Map());
      answer(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
      return;
    }
    const id = query.get('uploadId') ?? '';
    const parts = this.uploads.get(id);
    if (parts === undefined) {
      fail(response, 404, 'NoSuchUpload');
    } else if (request.method === 'PUT') {
      parts.set(Number(query.get('partNumber')), body);
      response.writeHead(200, { etag: etag(body) }).end();
    } else if (request.method === 'DELETE') {
      this.uploads.delete(id);
      response.writeHead(204).end();
    } else {
      this.complete(key, id, parts, body.toString(), response);
    }
  }

  private complete(key: string, id: string, parts: Map<number, Buffer>, list: string, response: ServerResponse): void {
    const numbers = [...list.matchAll(/<PartNumber>(\d+)</g)].map((match) => Number(match[1]));
    const tags = [...list.matchAll(/<ETag>([^<]+)</g)].map((match) => match[1].replaceAll('&quot;', '"'));
    const contents = numbers.map((number) => parts.get(number) ?? Buffer.alloc(0));
    const ordered = numbers.every((number, index) => index === 0 || number > numbers[index - 1]);
    if (!ordered) {
      fail(response, 400, 'InvalidPartOrder');
      return;
    }
    if (!contents.every((part, index) => etag(part) === tags[index])) {
      fail(response, 400, 'InvalidPart');
      return;
    }
    if (!contents.slice(0, -1).every((part) => part.length >= MIN_PART)) {
      fail(response, 400, 'EntityTooSmall');
      return;
    }
    this.uploads.delete(id);
    this.files.set(key, { content: Buffer.concat(contents), modifiedAt: new Date() });
    answer(response, `<CompleteMultipartUploadResult><Key>${key}</Key></CompleteMultipartUploadResult>`);
  }

  private store(key: string, content: Buffer, response: ServerResponse): void {
    this.files.set(key, { content, modifiedAt: new Date() });
    response.writeHead(200, { etag: etag(content) }).end();
  }
}

function read(request: IncomingMessage, { content, modifiedAt }: Stored, response: ServerResponse): void {
  const headers = { 'last-modified': modifiedAt.toUTCString(), etag: etag(content) };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (range !== null && Number(range[1]) >= content.length) {
    fail(response, 416, 'InvalidRange');
    return;
  }
  const part =
    range === null ? content : content.subarray(Number(range[1]), range[2] === '' ? undefined : Number(range[2]) + 1);
  response.writeHead(range === null ? 200 : 206, { ...headers, 'content-length': part.length });
  response.end(request.method === 'HEAD' ? undefined : part);
}

function answer(response: ServerResponse, xml: string): void {
  response.writeHead(200, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?>${xml}`);
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

function etag(content: Buffer): string {
  return `"${createHash('md5').update(content).digest('hex')}"`;
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
