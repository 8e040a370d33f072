import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { MadakvError } from '@madakv/contracts';
import { Engine } from '@madakv/engine';
import { cpuProvider, cudaProvider, webgpuProvider, type ExecutionProvider } from '@madakv/onnx';
import type { FromThread, ThreadData, ToThread, WireRequest } from './engine.protocol.js';
import type { EngineInfo, EngineSettings } from './engine.request.js';
import { ImageCache } from './image.cache.js';
import { runRequest } from './request.runner.js';
import { openServedModel } from './served.model.js';
import { toWire } from './wire.error.js';

/*
 * The engine's thread: loads the model and answers what the host submits. Runs of ONNX Runtime block it; messages are read
 * between two of them, so a cancellation takes effect before the next chunk or step.
 *
 * Weights, sessions and visual features lie outside of V8's heap, in memory that all threads of the process share: no heap
 * limit of the thread bounds them, and a fault in native code ends the whole process, not the thread alone.
 */

const DEFAULT_IMAGE_CACHE_BYTES = 256 * 2 ** 20;

/** A request under way. */
interface Running {
  readonly controller: AbortController;
  /** Images that were asked for, by index. */
  readonly wanted: Map<number, (bytes: Uint8Array) => void>;
  settled: Promise<void>;
}

class EngineThread {
  private readonly images: ImageCache;
  private readonly running = new Map<number, Running>();

  constructor(
    private readonly port: MessagePort,
    private readonly engine: Engine,
    settings: EngineSettings,
    private readonly kvBytes: Float64Array,
  ) {
    this.images = new ImageCache(settings.imageCacheBytes ?? DEFAULT_IMAGE_CACHE_BYTES);
  }

  receive(message: ToThread): void {
    switch (message.kind) {
      case 'submit':
        this.submit(message.ticket, message.request);
        return;
      case 'image':
        this.running.get(message.ticket)?.wanted.get(message.index)?.(message.bytes);
        return;
      case 'cancel':
        this.running.get(message.ticket)?.controller.abort(new MadakvError('cancelled', 'the request was cancelled'));
        return;
      case 'close':
        void this.close();
    }
  }

  private submit(ticket: number, request: WireRequest): void {
    const running: Running = { controller: new AbortController(), wanted: new Map(), settled: Promise.resolve() };
    this.running.set(ticket, running);
    running.settled = this.answer(ticket, request, running);
  }

  private async answer(ticket: number, request: WireRequest, running: Running): Promise<void> {
    const { signal } = running.controller;
    try {
      const answer = await runRequest(this.engine, this.images, request, {
        signal,
        onEvent: (event) => {
          this.send({ kind: 'event', ticket, event });
        },
        imageBytes: (index) => this.imageBytes(ticket, running, index),
      });
      this.send({ kind: 'done', ticket, answer });
    } catch (error) {
      this.send({ kind: 'error', ticket, error: toWire(error) });
    } finally {
      this.running.delete(ticket);
    }
  }

  private imageBytes(ticket: number, { controller, wanted }: Running, index: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const { signal } = controller;
      const abort = (): void => {
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        abort();
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      wanted.set(index, (bytes) => {
        wanted.delete(index);
        signal.removeEventListener('abort', abort);
        resolve(bytes);
      });
      this.send({ kind: 'wanted', ticket, index });
    });
  }

  private async close(): Promise<void> {
    const reason = new MadakvError('worker_stopping', 'the worker is stopping');
    const all = [...this.running.values()];
    for (const { controller } of all) controller.abort(reason);
    await Promise.all(all.map(({ settled }) => settled));
    await this.engine.close();
    this.port.close();
  }

  private send(message: FromThread): void {
    this.kvBytes[0] = this.engine.kvBytes;
    this.port.postMessage(message);
  }
}

async function openProvider({ provider, threads }: EngineSettings): Promise<ExecutionProvider> {
  if (provider === 'cpu') return cpuProvider(threads);
  return provider === 'webgpu' ? webgpuProvider() : cudaProvider();
}

async function loadEngine(settings: EngineSettings, port: MessagePort): Promise<Engine> {
  const { precision, kvPrecision, cacheDir, chunkTokens, maxSequences, featureCacheBytes } = settings;
  const model = openServedModel(settings.modelDir);
  return Engine.load(model, await openProvider(settings), {
    precision,
    kvPrecision,
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(chunkTokens === undefined ? {} : { chunkTokens }),
    ...(maxSequences === undefined ? {} : { maxSequences }),
    ...(featureCacheBytes === undefined ? {} : { featureCacheBytes }),
    onProgress: (done, total) => {
      port.postMessage({ kind: 'building', done, total } satisfies FromThread);
    },
  });
}

function infoOf({ model, kvBytesPerToken, kvGeometry, builtDir }: Engine, settings: EngineSettings): EngineInfo {
  const { family, decoder } = model.config;
  return {
    family,
    decoder,
    maxPositions: decoder.maxPositions,
    kvBytesPerToken,
    kv: kvGeometry,
    provider: settings.provider,
    builtDir,
  };
}

async function main(port: MessagePort, { settings, kvBytes }: ThreadData): Promise<void> {
  try {
    const engine = await loadEngine(settings, port);
    const thread = new EngineThread(port, engine, settings, new Float64Array(kvBytes));
    port.on('message', (message: ToThread) => {
      thread.receive(message);
    });
    port.postMessage({ kind: 'ready', info: infoOf(engine, settings) } satisfies FromThread);
  } catch (error) {
    port.postMessage({ kind: 'failed', error: startFailure(error) } satisfies FromThread);
  }
}

/** Its own words say which file or device it is; the kind of error goes along as the reason. */
function startFailure(error: unknown): ReturnType<typeof toWire> {
  const { name, message, code } = error as Error & { readonly code?: unknown };
  return { code: 'internal_error', message, reason: typeof code === 'string' ? code : name };
}

if (parentPort === null) throw new Error('engine.thread is the entry of a worker thread');
await main(parentPort, workerData as ThreadData);
