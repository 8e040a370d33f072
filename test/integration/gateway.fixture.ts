import { GatewaySettingsSchema, type GatewaySettings } from '../../apps/gateway/src/gateway.settings.js';
import { Sweeper } from '../../apps/gateway/src/sweeper.js';
import { createGateway } from '../../apps/gateway/src/gateway.app.js';
import { hashApiKey, parseEnvironment } from '@madakv/contracts';
import { JobQueues } from '@madakv/queue';
import { Records } from '@madakv/records';
import { LocalFileStore, type FileStore } from '@madakv/storage';
import { freePort, startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { FakeWorker } from './gateway.fake.worker.js';

/** Keys of two tenants, for tests. */
export const KEYS = { acme: 'mk-acme-0123456789abcdef', other: 'mk-other-0123456789abcdef' } as const;
export type TestTenant = keyof typeof KEYS;
export const MODEL = 'fake-reader';
/** A model without workers. */
export const UNSERVED = 'fake-absent';

const SILENT = { log: ignore, error: ignore, warn: ignore };

function ignore(): void {
  // Tests look at responses.
}

/** A gateway in this process on a Redis, a folder and a fake worker of its own. */
export class TestGateway {
  private constructor(
    readonly url: string,
    readonly healthUrl: string,
    readonly app: NestExpressApplication,
    readonly server: RedisServer,
    readonly records: Records,
    readonly queues: JobQueues,
    readonly store: FileStore,
    readonly worker: FakeWorker,
    private readonly folder: string,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<TestGateway> {
    const server = await startRedis({ appendOnly: true });
    const folder = await mkdtemp(join(tmpdir(), 'madakv-gateway-'));
    const [port, healthPort] = [await freePort(), await freePort()];
    const settings = settingsOf({
      MADAKV_REDIS_URL: server.url,
      MADAKV_STORAGE: folder,
      MADAKV_GATEWAY_PORT: String(port),
      MADAKV_GATEWAY_HEALTH_PORT: String(healthPort),
      ...environment,
    });
    const app = await createGateway(settings, { tracing: false, shutdown: () => Promise.resolve() }, SILENT);
    // Nothing is swept but by tests.
    app.get(Sweeper).onModuleDestroy();
    await app.listen(port, '127.0.0.1');
    const redis = new Redis(server.url, { maxRetriesPerRequest: null });
    redis.on('error', ignore);
    const records = new Records(redis, settings.MADAKV_KEY_PREFIX);
    const queues = new JobQueues({ connection: redis, prefix: settings.MADAKV_KEY_PREFIX });
    const store = await LocalFileStore.open(folder);
    for (const id of [MODEL, UNSERVED]) {
      const figures = { createdAt: 1_700_000_000, maxPositions: 1_000, kvBytesPerToken: 8, seenAtMs: 1 };
      await records.models.announce({ id, family: 'fake', ...figures });
    }
    const worker = new FakeWorker(redis, settings.MADAKV_KEY_PREFIX, records, store, MODEL);
    return new TestGateway(
      `http://127.0.0.1:${port}`,
      `http://127.0.0.1:${healthPort}`,
      app,
      server,
      records,
      queues,
      store,
      worker,
      folder,
    );
  }

  /** Another gateway beside it, on the same Redis and files. @returns its address, and what ends it */
  async beside(environment: Record<string, string> = {}): Promise<{ url: string; stop: () => Promise<void> }> {
    const [port, healthPort] = [await freePort(), await freePort()];
    const settings = settingsOf({
      MADAKV_REDIS_URL: this.server.url,
      MADAKV_STORAGE: this.folder,
      MADAKV_GATEWAY_PORT: String(port),
      MADAKV_GATEWAY_HEALTH_PORT: String(healthPort),
      ...environment,
    });
    const app = await createGateway(settings, { tracing: false, shutdown: () => Promise.resolve() }, SILENT);
    await app.listen(port, '127.0.0.1');
    return { url: `http://127.0.0.1:${port}`, stop: () => app.close() };
  }

  /** The official client, which does not try again unless it is told to. */
  client(tenant: TestTenant = 'acme', maxRetries = 0): OpenAI {
    return new OpenAI({ apiKey: KEYS[tenant], baseURL: `${this.url}/v1`, maxRetries });
  }

  /** @param url of another gateway beside it */
  fetch(
    path: string,
    init: RequestInit & { tenant?: TestTenant | 'none' } = {},
    url: string = this.url,
  ): Promise<Response> {
    const { tenant = 'acme', ...rest } = init;
    const headers = new Headers(rest.headers);
    if (tenant !== 'none') headers.set('authorization', `Bearer ${KEYS[tenant]}`);
    return fetch(`${url}${path}`, { ...rest, headers });
  }

  postJson(
    path: string,
    body: unknown,
    init: RequestInit & { tenant?: TestTenant | 'none' } = {},
    url: string = this.url,
  ): Promise<Response> {
    const headers = { 'content-type': 'application/json', ...(init.headers as Record<string, string> | undefined) };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.fetch(path, { ...init, method: 'POST', headers, body: text }, url);
  }

  async keysBelow(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.store.list(prefix)) keys.push(key);
    return keys;
  }

  async stop(): Promise<void> {
    await this.worker.close();
    await this.app.close();
    await this.queues.close();
    this.records.redis.disconnect();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function settingsOf(environment: Record<string, string>): GatewaySettings {
  return parseEnvironment(GatewaySettingsSchema, {
    MADAKV_API_KEYS: JSON.stringify(Object.entries(KEYS).map(([tenant, key]) => ({ tenant, sha256: hashApiKey(key) }))),
    ...environment,
  });
}

/** The smallest thing that is told to be a PDF by its first bytes. */
export const PDF = Buffer.from('%PDF-1.7\n%a test\n');

export function batchInput(lines: number, content: (line: number) => string = (line) => `say: ${line}`): Buffer {
  const texts = Array.from({ length: lines }, (_, i) =>
    JSON.stringify({
      custom_id: `line-${i + 1}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: MODEL, messages: [{ role: 'user', content: content(i + 1) }] },
    }),
  );
  return Buffer.from(`${texts.join('\n')}\n`);
}

/** An upload's form, as its parts are given. */
export function formOf(parts: readonly (readonly [string, string] | readonly ['file', Buffer, string])[]): FormData {
  const form = new FormData();
  for (const [name, value, filename] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(value)]), filename);
  }
  return form;
}

export async function errorOf(
  response: Response,
): Promise<{ status: number; code: unknown; param: unknown; message: string }> {
  const { error } = (await response.json()) as { error: { code: unknown; param: unknown; message: string } };
  return { status: response.status, ...error };
}

/**
 * Nobody tests at midnight: a day that ends within a test would begin anew.
 * @param testMs how long it may take
 */
export async function awayFromMidnight(testMs = 60_000): Promise<void> {
  const left = 86_400_000 - (Date.now() % 86_400_000);
  if (left < testMs) await new Promise((resolve) => setTimeout(resolve, left + 100));
}
