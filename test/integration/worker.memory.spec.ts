import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ChatRequest, ErrorBody, RequestJob } from '@madakv/contracts';
import { MALLOC_ENVIRONMENT } from '@madakv/launcher';
import { startRedis, type RedisServer } from '@madakv/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writePdf } from '../../libs/documents/src/testing/pdf.samples.js';
import { startService, statusOf, type RunningService } from './budget.services.js';
import { anonymousBytes, childrenOf, growthPerRequest, heldByJavaScript, type Sample } from './memory.samples.js';
import { roomyCheckpoint, WorkerBench } from './worker.bench.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REQUESTS = 500;
const AT_ONCE = 10;
/**
 * What memory may grow by, in bytes a request: a tenth of a page or of a long prompt's body. What the allocator happens to keep moves
 * resident memory by some MiB, up and down; what JavaScript holds after a collection moves less.
 */
const MAX_RESIDENT_GROWTH = 60_000;
const MAX_HELD_GROWTH = 20_000;

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;
let worker: ChildProcess | undefined;
let folder: string;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url });
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  folder = join(bench.folder, 'memory');
  mkdirSync(folder);
});
afterAll(async () => {
  if (worker !== undefined) {
    const ended = once(worker, 'close');
    worker.kill('SIGKILL');
    await ended;
  }
  await bench.close();
  await budget.end('SIGKILL');
  await redis.stop();
});

/** Starts the built worker as `madakv up` does, but for the collection of its garbage. @returns its process id */
async function startWorker(): Promise<number> {
  const environment = await bench.environment({
    MADAKV_MODEL: roomyCheckpoint(bench.folder),
    // Small enough to be full long before the half.
    MADAKV_IMAGE_CACHE_BYTES: '200000',
    MADAKV_FEATURE_CACHE_BYTES: '200000',
    MADAKV_RESIDENT_BYTES: '200000',
    MADAKV_PAGE_DPI: '36',
    MADAKV_CONCURRENCY: '4',
    MADAKV_STALLED_MS: '15000',
  });
  worker = spawn(
    process.execPath,
    [
      '--expose-gc',
      '--require',
      fileURLToPath(new URL('./collect.garbage.cjs', import.meta.url)),
      `${ROOT}apps/worker/dist/main.js`,
    ],
    {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        ...MALLOC_ENVIRONMENT,
        ...environment,
        MADAKV_TEST_MEMORY_FOLDER: folder,
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const ready = `http://127.0.0.1:${environment['MADAKV_WORKER_HEALTH_PORT']}/readyz`;
  await expect.poll(() => statusOf(ready), { timeout: 60_000 }).toBe(200);
  if (worker.pid === undefined) throw new Error('the worker did not start');
  return worker.pid;
}

type Content = ChatRequest['messages'][number]['content'];

const ask = (content: Content, changes: Partial<ChatRequest> = {}): Partial<ChatRequest> => ({
  messages: [{ role: 'user', content }],
  max_tokens: 4,
  ...changes,
});
const dataUrl = (type: string, bytes: Buffer): string => `data:${type};base64,${bytes.toString('base64')}`;
const documentPart = (bytes: Buffer) => ({
  type: 'file' as const,
  file: { filename: 'a.pdf', file_data: dataUrl('application/pdf', bytes) },
});
const question = { type: 'text' as const, text: 'How much is it?' };

/** A document that no other request has, unless by the same number. */
function pdf(number: number, pages = 1): Buffer {
  const line = (page: number): string => `BT /F 30 Tf 50 500 Td (Document ${number}, page ${page}) Tj ET`;
  return writePdf(Array.from({ length: pages }, (_, page) => ({ width: 612, height: 792, content: line(page) })));
}

function image(number: number): Promise<Buffer> {
  const background = { r: number % 256, g: number >> 8, b: 100 };
  return sharp({ create: { width: 100 + (number % 50), height: 120, channels: 3, background } })
    .png()
    .toBuffer();
}

type Kind = (number: number) => Partial<ChatRequest> | Promise<Partial<ChatRequest>>;

/** What is sent, in turns; each with the status that it ends with, and whether it is cancelled on its way. */
const KINDS: readonly { readonly ask: Kind; readonly status: number; readonly cancelled?: true }[] = [
  { ask: (number) => ask(`Question ${number}?`), status: 200 },
  { ask: (number) => ask([documentPart(pdf(number)), question]), status: 200 },
  {
    ask: (number) => ask('many words '.repeat(20 + (number % 7)), { madakv: { policy: 'h2o', cache_ratio: 0.5 } }),
    status: 200,
  },
  {
    ask: async (number) =>
      ask([{ type: 'image_url', image_url: { url: dataUrl('image/png', await image(number)) } }, question]),
    status: 200,
  },
  { ask: (number) => ask(`Question ${number}?`, { madakv: { policy: 'magic' } }), status: 400 },
  { ask: (number) => ask([documentPart(pdf(number, 3)), question], { madakv: { cache_ratio: 0.3 } }), status: 200 },
  { ask: (number) => ask(`Question ${number}?`, { max_tokens: 500_000 }), status: 499, cancelled: true },
  { ask: (number) => ask([documentPart(Buffer.from(`%PDF-1.7\nnonsense ${number}`)), question]), status: 400 },
  { ask: () => ask([documentPart(pdf(-1)), question], { madakv: { policy: 'full', cache_ratio: 1 } }), status: 200 },
  {
    ask: (number) => ask([documentPart(pdf(number)), question], { max_tokens: 500_000 }),
    status: 499,
    cancelled: true,
  },
];

/** Sends requests at once and waits for all of their answers. */
async function round(first: number): Promise<void> {
  const sent = await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, i) => {
      const kind = KINDS[(first + i) % KINDS.length];
      return { kind, job: await bench.chat(await kind.ask(first + i)) };
    }),
  );
  await Promise.all(
    sent.map(async ({ kind, job }, i) => {
      if (kind.cancelled === true) {
        // Some on their way to the engine, some in it.
        await sleep((first + i) % 150);
        await bench.records.cancellations.cancel(job.requestId, 'cancelled');
      }
      expect(await settled(job)).toBe(kind.status);
    }),
  );
}

/** @returns the status that the request ended with */
async function settled(job: RequestJob): Promise<number> {
  for (;;) {
    const answer = await bench.answerOf(job);
    if (answer === undefined) await sleep(20);
    else if ((answer.body as Partial<ErrorBody>).error?.code === 'internal_error') throw new Error('internal_error');
    else return answer.status;
  }
}

/** A process that has ended since it was listed holds nothing. */
function bytesUnlessGone(pid: number): number {
  return existsSync(`/proc/${pid}/status`) ? anonymousBytes(pid) : 0;
}

/** What was seen, for whoever looks for a leak. */
function told(kind: string, samples: readonly Sample[]): string {
  return `${kind}, in MiB: ${samples.map(({ bytes }) => (bytes / 2 ** 20).toFixed(1)).join(' ')}`;
}

it.skipIf(process.platform !== 'linux')(
  'the memory of a worker and of its rasteriser is flat after 250 of 500 mixed requests',
  async () => {
    const pid = await startWorker();
    const samples: Record<'worker' | 'raster' | 'held', Sample[]> = { worker: [], raster: [], held: [] };
    for (let requests = AT_ONCE; requests <= REQUESTS; requests += AT_ONCE) {
      await round(requests - AT_ONCE);
      if (requests <= REQUESTS / 2) continue;
      const raster = childrenOf(pid).map(bytesUnlessGone);
      samples.worker.push({ requests, bytes: anonymousBytes(pid) });
      samples.raster.push({ requests, bytes: raster.reduce((sum, bytes) => sum + bytes, 0) });
      samples.held.push({ requests, bytes: heldByJavaScript(folder) });
    }
    // A rasteriser that grew is replaced, and may be between two when it is looked at.
    expect(samples.raster.some(({ bytes }) => bytes > 0)).toBe(true);
    const growth = (kind: keyof typeof samples) => expect(growthPerRequest(samples[kind]), told(kind, samples[kind]));
    growth('worker').toBeLessThan(MAX_RESIDENT_GROWTH);
    growth('raster').toBeLessThan(MAX_RESIDENT_GROWTH);
    growth('held').toBeLessThan(MAX_HELD_GROWTH);
  },
  // A minute on two cores that do nothing else.
  1_800_000,
);
