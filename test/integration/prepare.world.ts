import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  newId,
  parseEnvironment,
  storeKeys,
  type ChatRequest,
  type FilePurpose,
  type FileRecord,
  type ModelRecord,
  type PreparedRequest,
} from '@madakv/contracts';
import { isPublicAddress } from '@madakv/documents';
import { plainPdf, selfSigned } from '@madakv/documents/testing';
import { openModel, type OpenModel } from '@madakv/models';
import { LocalFileStore } from '@madakv/storage';
import {
  prepareOptions,
  PrepareSettingsSchema,
  RequestPreparer,
  ServedCache,
  type PrepareInput,
} from '../../apps/worker/src/prepare/index.js';

const FIXTURES = fileURLToPath(new URL('../conformance/fixtures', import.meta.url));
/** Where the world's server stands; the one loopback address that may be reached. */
const HOME = '127.0.0.5';
const ADDRESSES: Readonly<Record<string, string>> = {
  'docs.test': HOME,
  localhost: '127.0.0.1',
  'inner.test': '10.0.0.7',
};

export const TENANT = 'acme';

export function fixtureImage(name: string): Buffer {
  return readFileSync(join(FIXTURES, 'images', name));
}

export function dataUrl(bytes: Uint8Array, type: string): string {
  return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
}

type Content = Extract<ChatRequest['messages'][number]['content'], readonly unknown[]>;

/** A body with one user message. */
export function chat(content: string | Content, more: Partial<ChatRequest> = {}): ChatRequest {
  return { model: 'reader', messages: [{ role: 'user', content }], ...more };
}

export interface WorldOptions {
  readonly checkpoint?: 'qwen-plain' | 'llava-plain' | 'qwen3-plain';
  readonly environment?: Readonly<Record<string, string>>;
}

/** A preparer with a tiny checkpoint, files in a folder, and a web server at https://docs.test that may be fetched from. */
export class PrepareWorld {
  readonly records = new Map<string, FileRecord>();
  /** What a worker that answers has said of its cache. */
  announced: Pick<ModelRecord, 'kv'> | undefined;
  /** Paths that were asked of the server. */
  readonly asked: string[] = [];

  private constructor(
    readonly folder: string,
    readonly store: LocalFileStore,
    readonly model: OpenModel,
    private readonly server: Server,
    private readonly certificate: string,
    private readonly environment: Readonly<Record<string, string>>,
  ) {
    this.preparer = this.anotherPreparer();
  }

  preparer: RequestPreparer;
  private readonly preparers: RequestPreparer[] = [];

  static async start({ checkpoint = 'qwen-plain', environment = {} }: WorldOptions = {}): Promise<PrepareWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'madakv-prepare-'));
    const store = await LocalFileStore.open(join(folder, 'files'));
    const model = openModel(join(FIXTURES, checkpoint, 'checkpoint'), { specialTokensInText: 'text' });
    const { key, cert } = selfSigned('docs.test');
    const server = createServer({ key, cert });
    await new Promise<void>((resolve) => server.listen(0, HOME, resolve));
    const world = new PrepareWorld(folder, store, model, server, cert, environment);
    server.on('request', (request, response) => {
      const path = request.url ?? '';
      world.asked.push(path);
      const [status, headers, body] = world.page(path);
      response.writeHead(status, headers).end(body);
    });
    return world;
  }

  get origin(): string {
    return `https://docs.test:${(this.server.address() as AddressInfo).port}`;
  }

  /** One more on the same files, as another process would have. */
  anotherPreparer(parts: Partial<ConstructorParameters<typeof RequestPreparer>[0]> = {}): RequestPreparer {
    const options = prepareOptions(parseEnvironment(PrepareSettingsSchema, this.environment));
    const { port } = this.server.address() as AddressInfo;
    const preparer = new RequestPreparer({
      model: this.model,
      store: this.store,
      cache: new ServedCache({ find: () => Promise.resolve(this.announced) }, 'model'),
      files: {
        find: (tenant, id) => {
          const record = this.records.get(id);
          return Promise.resolve(record?.tenant === tenant ? record : undefined);
        },
      },
      options: {
        ...options,
        fetch: {
          ...options.fetch,
          allowedPorts: [...options.fetch.allowedPorts, port],
          isAllowedAddress: (address) => address === HOME || isPublicAddress(address),
          resolve: (host) =>
            host in ADDRESSES
              ? Promise.resolve([ADDRESSES[host]])
              : Promise.reject(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' })),
          certificateAuthorities: [this.certificate],
        },
      },
      ...parts,
    });
    this.preparers.push(preparer);
    return preparer;
  }

  prepare(body: ChatRequest, more: Partial<PrepareInput> = {}): Promise<PreparedRequest> {
    return this.preparer.prepare({ requestId: 'request-1', tenant: TENANT, customId: null, body, ...more });
  }

  /** Stores a user's file. @returns its id */
  async upload(
    bytes: Uint8Array,
    tenant = TENANT,
    purpose: FilePurpose = 'user_data',
    filename = 'report.pdf',
  ): Promise<string> {
    const id = newId('file');
    const key = storeKeys.file(id);
    await this.store.put(key, bytes);
    this.records.set(id, {
      tenant,
      key,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      object: {
        id,
        object: 'file',
        bytes: bytes.length,
        created_at: 0,
        filename,
        purpose,
        status: 'processed',
      },
    });
    return id;
  }

  async close(): Promise<void> {
    for (const preparer of this.preparers) preparer.close();
    this.server.closeAllConnections();
    this.server.close();
    await rm(this.folder, { recursive: true });
  }

  private page(path: string): [status: number, headers: Record<string, string>, body: string | Buffer] {
    switch (path) {
      case '/two-pages.pdf':
        return [200, { 'content-type': 'application/pdf' }, plainPdf(2)];
      case '/photo.jpg':
        return [200, { 'content-type': 'image/jpeg' }, fixtureImage('photo.jpg')];
      case '/page.html':
        return [200, { 'content-type': 'text/html' }, '<p>'];
      case '/pdf-as-png':
        return [200, { 'content-type': 'image/png' }, plainPdf(1)];
      case '/moved':
        return [302, { location: '/two-pages.pdf' }, ''];
      case '/moved-inside':
        return [302, { location: 'https://10.0.0.7/secret.pdf' }, ''];
      case '/moved-to-http':
        return [302, { location: 'http://docs.test/a.pdf' }, ''];
      case '/moved-round':
        return [302, { location: '/moved-round' }, ''];
      case '/large':
        return [200, { 'content-type': 'application/pdf' }, Buffer.alloc(2 * 1024 ** 2, '%PDF-1.7\n')];
      case '/busy':
        return [503, {}, ''];
      default:
        return [404, {}, ''];
    }
  }
}
