import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file of a repository: bytes, or text. */
export type FakeFiles = Readonly<Record<string, Uint8Array | string>>;

export interface FakeRepository {
  /** Those with the fake's token may not read it either, until they were granted access. */
  readonly gated?: boolean;
  /** Only for those with the fake's token. */
  readonly isPrivate?: boolean;
}

export interface FakeHubRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong with one answer. */
export type FakeHubFault =
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: 'break'; readonly afterBytes: number }
  /** The bytes are others than they should be. */
  | { readonly kind: 'corrupt' }
  /** A server that knows no ranges: it sends the whole file. */
  | { readonly kind: 'whole' }
  /** Nothing is ever answered. */
  | { readonly kind: 'silence' }
  /** The body stops after so many bytes, and the connection stays. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> };

/** Stands in for huggingface.co: as much of its public interface as pulling a model takes, on a free port of this machine. */
export interface FakeHub {
  readonly url: string;
  /** The one token that it knows. */
  readonly token: string;
  readonly requests: readonly FakeHubRequest[];
  /** Asked for each request; what it returns goes wrong. Replace it. */
  fault: (request: FakeHubRequest) => FakeHubFault | undefined;
  /** Settles before a request is answered. Replace it. */
  before: (request: FakeHubRequest) => Promise<void>;
  /**
   * Puts a commit on a branch of a repository, which it makes where there is none.
   * @returns the commit's hash
   */
  commit(repo: string, files: FakeFiles, revision?: string, repository?: FakeRepository): string;
  stop(): Promise<void>;
}

interface StoredFile {
  readonly content: Buffer;
  /** SHA-256 of a large file, which another host serves; git's of any other. */
  readonly etag: string;
  readonly gitHash: string;
  readonly large: boolean;
}

interface Stored extends FakeRepository {
  readonly revisions: Map<string, string>;
  readonly commits: Map<string, ReadonlyMap<string, StoredFile>>;
}

export async function startFakeHub(): Promise<FakeHub> {
  const hub = new Hub();
  hub.server.listen(0, '127.0.0.1');
  await once(hub.server, 'listening');
  return hub;
}

class Hub implements FakeHub {
  readonly token = 'hf_fake_token';
  readonly requests: FakeHubRequest[] = [];
  readonly server = createServer((request, response) => void this.answer(request, response));
  fault: FakeHub['fault'] = () => undefined;
  before: FakeHub['before'] = () => Promise.resolve();
  private readonly repositories = new Map<string, Stored>();

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  commit(repo: string, files: FakeFiles, revision = 'main', repository: FakeRepository = {}): string {
    const stored = this.repositories.get(repo) ?? { ...repository, revisions: new Map(), commits: new Map() };
    this.repositories.set(repo, stored);
    const tree = new Map(
      Object.entries(files).map(([path, content]) => [path, storedFile(path, Buffer.from(content))]),
    );
    const hash = createHash('sha1')
      .update(JSON.stringify([repo, stored.commits.size, [...tree.keys()]]))
      .digest('hex');
    stored.commits.set(hash, tree);
    stored.revisions.set(revision, hash);
    return hash;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const seen: FakeHubRequest = { method, url, range: headers.range, authorization: headers.authorization };
    this.requests.push(seen);
    await this.before(seen);
    const fault = this.fault(seen);
    if (fault?.kind === 'silence') return;
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const { pathname } = new URL(url, this.url);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname);
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const cdn = /^\/cdn\/([0-9a-f]{64})$/.exec(pathname);
    if (api !== null) this.list(seen, response, fault, [api[1], api[2], decodeURIComponent(api[3])]);
    else if (resolve !== null) this.resolve(seen, response, fault, resolve.slice(1).map(decodeURIComponent));
    else if (cdn !== null) this.send(seen, response, fault, this.largeFile(cdn[1]));
    else refuse(response, 404, 'EntryNotFound');
  }

  private list(
    seen: FakeHubRequest,
    response: ServerResponse,
    fault: FakeHubFault | undefined,
    [repo = '', kind = '', revision = '']: readonly string[],
  ): void {
    const found = this.find(seen, response, repo, revision);
    if (found === undefined) return;
    const files = [...found.tree];
    const body =
      kind === 'tree'
        ? files.map(([path, { content, etag, gitHash, large }]) => ({
            type: 'file',
            path,
            size: content.length,
            oid: gitHash,
            ...(large ? { lfs: { oid: etag, size: content.length, pointerSize: 135 } } : {}),
          }))
        : {
            id: repo,
            modelId: repo,
            sha: found.commit,
            siblings: files.map(([path, { content, etag, gitHash, large }]) => ({
              rfilename: path,
              size: content.length,
              blobId: gitHash,
              ...(large ? { lfs: { sha256: etag, size: content.length, pointerSize: 135 } } : {}),
            })),
          };
    const text = JSON.stringify(body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    if (fault?.kind === 'break') response.write(text.slice(0, fault.afterBytes), () => response.destroy());
    else response.end(text);
  }

  private resolve(
    seen: FakeHubRequest,
    response: ServerResponse,
    fault: FakeHubFault | undefined,
    parts: string[],
  ): void {
    const [repo, revision, path] = parts;
    const found = this.find(seen, response, repo, revision);
    if (found === undefined) return;
    const file = found.tree.get(path);
    response.setHeader('x-repo-commit', found.commit);
    if (file === undefined) {
      refuse(response, 404, 'EntryNotFound');
    } else if (file.large) {
      // Another origin, as the hub's own storage is.
      const location = `${this.url.replace('127.0.0.1', 'localhost')}/cdn/${file.etag}`;
      response.setHeader('x-linked-etag', `"${file.etag}"`);
      response.setHeader('x-linked-size', file.content.length);
      response.writeHead(302, { location }).end();
    } else {
      this.send(seen, response, fault, file);
    }
  }

  private find(
    { authorization }: FakeHubRequest,
    response: ServerResponse,
    repo: string,
    revision: string,
  ): { readonly commit: string; readonly tree: ReadonlyMap<string, StoredFile> } | undefined {
    const known = authorization === `Bearer ${this.token}`;
    const stored = this.repositories.get(repo);
    const commit = stored?.commits.has(revision) === true ? revision : stored?.revisions.get(revision);
    const tree = commit === undefined ? undefined : stored?.commits.get(commit);
    if (authorization !== undefined && !known) {
      refuse(response, 401, '');
    } else if (stored === undefined || (stored.isPrivate === true && !known)) {
      refuse(response, known ? 404 : 401, 'RepoNotFound');
    } else if (stored.gated === true) {
      refuse(response, known ? 403 : 401, 'GatedRepo');
    } else if (commit === undefined || tree === undefined) {
      refuse(response, 404, 'RevisionNotFound');
    } else {
      return { commit, tree };
    }
    return undefined;
  }

  private largeFile(etag: string): StoredFile | undefined {
    const trees = [...this.repositories.values()].flatMap(({ commits }) => [...commits.values()]);
    return trees.flatMap((tree) => [...tree.values()]).find((file) => file.etag === etag);
  }

  private send(
    { method, range }: FakeHubRequest,
    response: ServerResponse,
    fault: FakeHubFault | undefined,
    file: StoredFile | undefined,
  ): void {
    if (file === undefined) {
      refuse(response, 404, 'EntryNotFound');
      return;
    }
    const { content, etag } = file;
    const asked = fault?.kind === 'whole' ? undefined : range;
    const from = Number(/^bytes=(\d+)-$/.exec(asked ?? '')?.[1] ?? 0);
    const body = Buffer.from(content.subarray(from));
    if (fault?.kind === 'corrupt' && body.length > 0) body[body.length - 1] ^= 0xff;
    response.writeHead(asked === undefined ? 200 : 206, {
      etag: `"${etag}"`,
      'content-length': body.length,
      'accept-ranges': 'bytes',
      ...(asked === undefined ? {} : { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    if (method === 'HEAD') {
      response.end();
    } else if (fault?.kind === 'break') {
      response.write(body.subarray(0, fault.afterBytes), () => response.destroy());
    } else if (fault?.kind === 'stall') {
      response.write(body.subarray(0, fault.afterBytes));
    } else {
      response.end(body);
    }
  }
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, code === '' ? {} : { 'x-error-code': code }).end();
}

function storedFile(path: string, content: Buffer): StoredFile {
  const large = path.endsWith('.safetensors');
  const gitHash = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  return { content, gitHash, large, etag: large ? createHash('sha256').update(content).digest('hex') : gitHash };
}
