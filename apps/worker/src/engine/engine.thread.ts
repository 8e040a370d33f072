import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { MadakvError } from '@madakv/contracts';
import type { Engine } from '@madakv/engine';
import { infoOf, loadEngine } from './engine.loading.js';
import { THREAD_MEMORY, type FromThread, type ThreadData, type Submitted, type ToThread } from './engine.protocol.js';
import { gather, type Gathered } from './gathering.js';
import { runRequest } from './request.runner.js';
import { toWire } from './wire.error.js';

/*
 * The engine's thread: loads the model and answers what the host submits. Runs of ONNX Runtime block it; messages are read
 * between two of them, so a cancellation takes effect before the next chunk or step.
 *
 * Weights, caches, sessions and images lie outside of V8's heap, in memory that all threads of the process share: no heap
 * limit of the thread bounds them. What goes wrong in JavaScript, running out of V8's heap included, ends the thread alone; a
 * fault in native code ends the process, and other workers take its jobs over. The same happens to a process that ends the
 * thread with `terminate()`, or exits, in the middle of a run: the host asks the thread to close and waits.
 */

/** Least time between two looks at the thread's memory, in milliseconds: a look takes some microseconds, and a step may take less. */
const MEMORY_LOOK_MS = 100;

/** A request under way. */
interface Running {
  readonly controller: AbortController;
  /** Images that were asked for, by index. */
  readonly wanted: Map<number, (bytes: Uint8Array) => void>;
  settled: Promise<void>;
}

class EngineThread {
  private readonly running = new Map<number, Running>();
  private lookedAt = -Infinity;

  constructor(
    private readonly port: MessagePort,
    private readonly engine: Engine,
    /** In the order of THREAD_MEMORY. */
    private readonly memory: Float64Array,
  ) {
    this.reportMemory();
  }

  receive(message: ToThread): void {
    switch (message.kind) {
      case 'submit':
        this.submit(message.requests);
        return;
      case 'image':
        this.running.get(message.ticket)?.wanted.get(message.index)?.(message.bytes);
        return;
      case 'cancel':
        this.running.get(message.ticket)?.controller.abort(new MadakvError('cancelled', 'the request was cancelled'));
        return;
      case 'close':
        void this.close();
        return;
      default:
        // Host and thread are not of one build: nothing that follows can be trusted.
        throw new Error(`a message that nobody knows: ${JSON.stringify(message)}`);
    }
  }

  private submit(requests: readonly Submitted[]): void {
    const together = gather(requests.length);
    for (const [i, submitted] of requests.entries()) {
      const running: Running = { controller: new AbortController(), wanted: new Map(), settled: Promise.resolve() };
      this.running.set(submitted.ticket, running);
      running.settled = this.answer(submitted, running, together[i]);
    }
  }

  private async answer({ ticket, request }: Submitted, running: Running, together: Gathered): Promise<void> {
    const { signal } = running.controller;
    try {
      const answer = await runRequest(this.engine, request, {
        signal,
        ready: () => together.ready(),
        onEvent: (event) => {
          this.send({ kind: 'event', ticket, event });
        },
        imageBytes: (index) => this.imageBytes(ticket, running, index),
      });
      this.send({ kind: 'done', ticket, answer });
    } catch (error) {
      this.send({ kind: 'error', ticket, error: toWire(error) });
    } finally {
      together.leave();
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

  /** Cancels what is under way, frees the model and ends the thread. */
  async close(): Promise<void> {
    const reason = new MadakvError('worker_stopping', 'the worker is stopping');
    const all = [...this.running.values()];
    for (const { controller } of all) controller.abort(reason);
    await Promise.all(all.map(({ settled }) => settled));
    await this.engine.close();
    this.port.close();
  }

  private send(message: FromThread): void {
    this.reportMemory();
    this.port.postMessage(message);
  }

  private reportMemory(): void {
    const { kvBytes: kv, featureBytes: features, residentBytes: rows } = this.engine;
    const now = performance.now();
    if (now - this.lookedAt < MEMORY_LOOK_MS) {
      this.memory.set([kv, features, rows]);
      return;
    }
    this.lookedAt = now;
    const { heapTotal: heap, external: buffers } = process.memoryUsage();
    const found = { kv, features, rows, heap, buffers };
    this.memory.set(THREAD_MEMORY.map((kind) => found[kind]));
  }
}

async function main(port: MessagePort, { settings, memory }: ThreadData): Promise<void> {
  const stopping = new AbortController();
  let thread: EngineThread | undefined;
  port.on('message', (message: ToThread) => {
    if (message.kind === 'close') stopping.abort();
    thread?.receive(message);
  });
  try {
    const engine = await loadEngine(settings, {
      onBuild: (done, total) => {
        stopping.signal.throwIfAborted();
        port.postMessage({ kind: 'building', done, total } satisfies FromThread);
      },
      onResident: (documentKeys) => {
        port.postMessage({ kind: 'resident', documentKeys } satisfies FromThread);
      },
    });
    thread = new EngineThread(port, engine, new Float64Array(memory));
    port.postMessage({ kind: 'ready', info: infoOf(engine, settings) } satisfies FromThread);
    if (stopping.signal.aborted) await thread.close();
  } catch (error) {
    port.postMessage({ kind: 'failed', error: startFailure(error) } satisfies FromThread);
    port.close();
  }
}

/** Its own words say which file or device it is; the kind of error goes along as the reason. */
function startFailure(error: unknown): ReturnType<typeof toWire> {
  const { name, message, code } = error as Error & { readonly code?: unknown };
  return { code: 'internal_error', message, reason: typeof code === 'string' ? code : name };
}

if (parentPort === null) throw new Error('engine.thread is the entry of a worker thread');
await main(parentPort, workerData as ThreadData);
