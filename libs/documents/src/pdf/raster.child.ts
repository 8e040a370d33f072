import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import sharp from 'sharp';
import { formatBytes } from '../quantity.format.js';
import type {
  OpenRequest,
  PageFormat,
  PageRequest,
  RasterReply,
  RasterRequest,
  ThreadData,
  ThreadReply,
} from './raster.protocol.js';

/*
 * The process that rasterises. pdfium runs in a thread, so that this one always hears when memory runs out or the parent
 * is gone, and ends the process at once, whatever pdfium is doing.
 */

/** How often memory is looked at while a document is open, in milliseconds. */
const WATCH_MS = 50;

const wasmPath = createRequire(import.meta.url).resolve('@hyzyla/pdfium/pdfium.wasm');
const pdfium = await WebAssembly.compile(await readFile(wasmPath));

sharp.concurrency(1);
sharp.cache(false);

let thread: Worker | undefined;
let watch: NodeJS.Timeout | undefined;

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (request: RasterRequest) => {
  handle(request).then(send, (error: unknown) => {
    send({ type: 'failed', code: 'raster_crashed', message: `rasterising stopped: ${(error as Error).message}` });
  });
});
send({ type: 'ready' });

async function handle(request: RasterRequest): Promise<RasterReply> {
  if (request.type === 'open') return open(request);
  if (request.type === 'page') return draw(request);
  await close();
  return { type: 'closed', residentBytes: process.memoryUsage.rss() };
}

async function open({ bytes, maxDocumentPages, memoryBytes }: OpenRequest): Promise<RasterReply> {
  await close();
  watch = setInterval(() => {
    watchMemory(memoryBytes);
  }, WATCH_MS);
  const workerData: ThreadData = { pdfium, bytes, maxDocumentPages, memoryBytes };
  thread = new Worker(new URL('./raster.thread.js', import.meta.url), { workerData });
  const reply = await answerOf(thread);
  if (reply.type === 'bitmap') throw new Error('a bitmap that nobody asked for');
  return reply;
}

async function draw({ page, rules, format }: PageRequest): Promise<RasterReply> {
  if (thread === undefined) throw new Error('no document is open');
  const answer = answerOf(thread);
  thread.postMessage({ type: 'page', page, rules });
  const reply = await answer;
  if (reply.type !== 'bitmap') return reply;
  const { rgba, width, height, dpi, warnings } = reply;
  return { type: 'page', width, height, dpi, warnings, bytes: await encode(rgba, width, height, format) };
}

async function encode(rgba: Uint8Array, width: number, height: number, format: PageFormat): Promise<Uint8Array> {
  const image = sharp(rgba, { raw: { width, height, channels: 4 }, limitInputPixels: false });
  if (format === 'raw') return image.removeAlpha().raw().toBuffer();
  if (format === 'webp') return image.removeAlpha().webp({ lossless: true, effort: 1 }).toBuffer();
  // Most pages are black on white: one channel has all there is, in a fraction of the bytes and of the time.
  const channels = isGrey(rgba) ? image.extractChannel(0) : image.removeAlpha();
  return channels.png({ compressionLevel: 6 }).toBuffer();
}

function isGrey(rgba: Uint8Array): boolean {
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at] !== rgba[at + 1] || rgba[at] !== rgba[at + 2]) return false;
  }
  return true;
}

async function close(): Promise<void> {
  clearInterval(watch);
  await thread?.terminate();
  thread = undefined;
}

function answerOf(worker: Worker): Promise<ThreadReply> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', answered).off('error', failed).off('exit', ended);
    };
    const answered = (reply: ThreadReply): void => {
      settle();
      resolve(reply);
    };
    const failed = (error: Error): void => {
      settle();
      reject(error);
    };
    const ended = (code: number): void => {
      settle();
      reject(new Error(`the thread ended with code ${code}`));
    };
    worker.on('message', answered).on('error', failed).on('exit', ended);
  });
}

function watchMemory(limit: number): void {
  const used = process.memoryUsage.rss();
  if (used <= limit) return;
  clearInterval(watch);
  const message = `drawing the document took ${formatBytes(used)} of memory; the limit is ${formatBytes(limit)}`;
  send({ type: 'failed', code: 'raster_memory', message }, () => process.kill(process.pid, 'SIGKILL'));
}

function send(reply: RasterReply, done: () => void = () => undefined): void {
  // Without a parent there is nobody to tell; `disconnect` ends the process.
  process.send?.(reply, undefined, {}, done);
}
