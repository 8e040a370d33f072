import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MadakvError } from '@madakv/contracts';
import {
  THREAD_MEMORY,
  type FromThread,
  type ThreadData,
  type ThreadMemory,
  type ToThread,
} from './engine.protocol.js';
import type { EngineAnswer, EngineEvent, EngineInfo, EngineRequest, EngineSettings } from './engine.request.js';
import { threadEntry } from './thread.entry.js';
import { Ticket } from './ticket.js';
import { fromWire } from './wire.error.js';

export type * from './engine.request.js';

/** The engine's thread died. All requests it had fail with `engine_crashed`. */
export interface EngineCrash {
  readonly error: MadakvError;
  /** Requests that were being computed: vision, prefill or decode. One of them may be the cause. */
  readonly running: readonly string[];
  /** Requests that were in the thread but had not begun. */
  readonly waiting: readonly string[];
}

export interface EngineHostOptions {
  readonly settings: EngineSettings;
  /** Gives up the start. */
  readonly signal?: AbortSignal;
  /** First and longest pause before the thread is started again; it doubles. 500 and 30,000 where absent. */
  readonly restartMs?: { readonly first: number; readonly longest: number };
  /** Graphs that were built of those to build; not called where the model was built before. */
  readonly onBuild?: (done: number, total: number) => void;
  readonly onCrash?: (crash: EngineCrash) => void;
  /**
   * Told the `documentKey`s of the requests whose documents are resident, sorted, whenever these change; none when the thread has
   * ended. A document of more than 8 names is known by the latest 8.
   */
  readonly onResident?: (documentKeys: readonly string[]) => void;
  /** The thread has loaded the model: at first, and after every crash. */
  readonly onReady?: (info: EngineInfo) => void;
  /** The model could not be loaded again after a crash; it is tried once more after a pause. */
  readonly onRestartFailed?: (error: EngineStartError) => void;
  /** Starts the thread; for tests that end it. */
  readonly spawn?: (entry: URL, data: ThreadData) => Worker;
}

/** `starting` covers the time after a crash as well. */
export type EngineState = 'starting' | 'ready' | 'closed';

export interface GenerateControl {
  /** Takes effect before the next chunk or step; the promise settles when the memory is free. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: EngineEvent) => void;
}

/** The model cannot be loaded. The message says what is wrong and in which file or with which device. */
export class EngineStartError extends Error {
  override readonly name = 'EngineStartError';

  constructor(
    message: string,
    /** Code of a CheckpointError, else the error's name; `thread_ended` where it said nothing. */
    readonly reason: string,
  ) {
    super(message);
  }
}

const DEFAULT_RESTART_MS = { first: 500, longest: 30_000 };

/**
 * The main thread's side of the engine's thread. Its event loop is never blocked by the engine. A thread that dies is
 * started again; requests that come meanwhile wait.
 */
export class EngineHost {
  /** The newest thread, until it has ended. */
  private thread: Worker | undefined;
  /** That thread has loaded the model. */
  private ready = false;
  private readonly tickets = new Map<number, Ticket>();
  /** Those that go to the thread at the end of this turn of the event loop. */
  private readonly leaving: Ticket[] = [];
  private readonly memoryCells = new Float64Array(
    new SharedArrayBuffer(THREAD_MEMORY.length * Float64Array.BYTES_PER_ELEMENT),
  );
  private readonly stopping = new AbortController();
  private readonly waiting = new Set<() => void>();
  private info_: EngineInfo | undefined;
  private nextTicket = 0;
  /** Starts since the last answer. */
  private restarts = 0;
  private ended: Promise<unknown> = Promise.resolve();

  private constructor(private readonly options: EngineHostOptions) {}

  /**
   * Starts the thread and waits until the model is loaded.
   * @throws EngineStartError when it cannot be; the signal's reason when aborted
   */
  static async start(options: EngineHostOptions): Promise<EngineHost> {
    const { signal } = options;
    signal?.throwIfAborted();
    const host = new EngineHost(options);
    const stop = (): void => void host.close();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await host.launch();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    if (signal?.aborted === true) await host.close();
    signal?.throwIfAborted();
    return host;
  }

  get state(): EngineState {
    if (this.stopping.signal.aborted) return 'closed';
    return this.ready ? 'ready' : 'starting';
  }

  get info(): EngineInfo {
    if (this.info_ === undefined) throw new Error('the engine has not been started');
    return this.info_;
  }

  /** Bytes of key-value cache that are allocated now. */
  get kvBytes(): number {
    return this.memory.kv;
  }

  /** What the thread held when it last said something; nothing after it has died. */
  get memory(): ThreadMemory {
    const [kv, features, rows, heap, buffers] = this.memoryCells;
    return { kv, features, rows, heap, buffers };
  }

  /**
   * Answers one request; waits while the thread is starting. Requests of one turn of the event loop reach the engine together.
   * @throws MadakvError of libs/contracts: `invalid_request`, `context_length_exceeded`, `cache_ratio_too_small`,
   *   `invalid_document`, `engine_crashed` (retryable), `worker_stopping` after close, `internal_error`
   * @throws the signal's reason when cancelled; what `load` of an image or `onEvent` threw
   */
  async generate(request: EngineRequest, control: GenerateControl = {}): Promise<EngineAnswer> {
    const thread = await this.readyThread(control.signal);
    const ticket = new Ticket(this.nextTicket++, request, control, thread);
    this.tickets.set(ticket.number, ticket);
    if (this.leaving.push(ticket) === 1) setImmediate(this.submit);
    try {
      return await ticket.answer();
    } finally {
      this.tickets.delete(ticket.number);
    }
  }

  /**
   * Fails what is under way with `worker_stopping` and ends the thread, after the chunk or step that it is at. To be awaited
   * before the process exits: ONNX Runtime does not survive an exit in the middle of a run.
   */
  async close(): Promise<void> {
    if (!this.stopping.signal.aborted) {
      this.stopping.abort(new MadakvError('worker_stopping', 'the worker is stopping'));
      this.wake();
      for (const ticket of this.leaving.splice(0)) ticket.fail(this.stopping.signal.reason);
      this.thread?.postMessage({ kind: 'close' } satisfies ToThread);
    }
    await this.ended;
  }

  private readonly submit = (): void => {
    const requests = this.leaving.splice(0).flatMap((ticket) => ticket.submit() ?? []);
    if (requests.length > 0) this.thread?.postMessage({ kind: 'submit', requests } satisfies ToThread);
  };

  private async readyThread(signal: AbortSignal | undefined): Promise<Worker> {
    for (;;) {
      signal?.throwIfAborted();
      this.stopping.signal.throwIfAborted();
      if (this.ready && this.thread !== undefined) return this.thread;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  private wake(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** Starts a thread; settles when its model is loaded, or when it has ended because it cannot be: no two run at a time. */
  private launch(): Promise<void> {
    const { settings, spawn = startThread } = this.options;
    const thread = spawn(threadEntry(), { settings, memory: this.memoryCells.buffer });
    this.thread = thread;
    let fault: unknown;
    let failure: EngineStartError | undefined;
    this.ended = new Promise((resolve) => thread.once('exit', resolve));
    return new Promise((resolve, reject) => {
      thread.on('message', (message: FromThread) => {
        if (message.kind === 'ready') {
          resolve();
          this.loaded(message.info);
        } else if (message.kind === 'failed') {
          failure = new EngineStartError(message.error.message, message.error.reason ?? message.error.code);
        } else {
          this.receive(message);
        }
      });
      thread.on('error', (error) => (fault = error));
      thread.once('exit', (code) => {
        const why = fault instanceof Error ? fault.message : `it exited with code ${code}`;
        const ended = `the engine's thread ended before the model was loaded: ${why}`;
        reject(failure ?? new EngineStartError(ended, 'thread_ended'));
        this.thread = undefined;
        if (this.ready) this.died(why);
      });
    });
  }

  private loaded(info: EngineInfo): void {
    this.info_ = info;
    this.ready = true;
    this.options.onReady?.(info);
    this.wake();
  }

  private receive(message: Exclude<FromThread, { kind: 'ready' | 'failed' }>): void {
    if (message.kind === 'building') {
      this.options.onBuild?.(message.done, message.total);
      return;
    }
    if (message.kind === 'resident') {
      this.options.onResident?.(message.documentKeys);
      return;
    }
    const ticket = this.tickets.get(message.ticket);
    switch (message.kind) {
      case 'wanted':
        void ticket?.sendImage(message.index);
        return;
      case 'event':
        ticket?.emit(message.event);
        return;
      case 'done':
        this.restarts = 0;
        ticket?.resolve(message.answer);
        return;
      case 'error':
        ticket?.fail(fromWire(message.error));
    }
  }

  /** The thread that was ready has ended. */
  private died(why: string): void {
    this.ready = false;
    this.memoryCells.fill(0);
    this.leaving.length = 0;
    this.options.onResident?.([]);
    const tickets = [...this.tickets.values()];
    if (this.stopping.signal.aborted) {
      for (const ticket of tickets) ticket.fail(this.stopping.signal.reason as MadakvError);
      return;
    }
    const error = new MadakvError('engine_crashed', `the engine's thread died: ${why}`);
    const ids = (running: boolean): string[] =>
      tickets.filter((ticket) => ticket.running === running).map(({ request }) => request.requestId);
    this.options.onCrash?.({ error, running: ids(true), waiting: ids(false) });
    for (const ticket of tickets) ticket.fail(error);
    void this.restart();
  }

  private async restart(): Promise<void> {
    const { first, longest } = this.options.restartMs ?? DEFAULT_RESTART_MS;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const delayMs = Math.min(longest, first * 2 ** this.restarts++);
      try {
        await pause(delayMs, undefined, { signal });
        await this.launch();
        return;
      } catch (error) {
        if (error instanceof EngineStartError && this.state !== 'closed') this.options.onRestartFailed?.(error);
      }
    }
  }
}

function startThread(entry: URL, workerData: ThreadData): Worker {
  return new Worker(entry, { workerData, name: 'engine' });
}
