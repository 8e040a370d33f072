import type { MadakvError } from '@madakv/contracts';
import type { EngineAnswer, EngineEvent, EngineInfo, EngineRequest, EngineSettings } from './engine.request.js';

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
  /** First and longest pause before the thread is started again; it doubles. 500 and 30,000 where absent. */
  readonly restartMs?: { readonly first: number; readonly longest: number };
  /** Graphs that were built of those to build; not called where the model was built before. */
  readonly onBuild?: (done: number, total: number) => void;
  readonly onCrash?: (crash: EngineCrash) => void;
  /** The thread has loaded the model: at first, and after every crash. */
  readonly onReady?: (info: EngineInfo) => void;
}

/** `starting` covers the time after a crash as well. */
export type EngineState = 'starting' | 'ready' | 'closed';

export interface GenerateControl {
  /** Takes effect before the next chunk or step; the promise settles when the memory is free. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: EngineEvent) => void;
}

/** The main thread's side of the engine's thread. Its event loop is never blocked by the engine. */
export interface EngineHost {
  readonly state: EngineState;
  readonly info: EngineInfo;
  /** Bytes of key-value cache that are allocated now. */
  readonly kvBytes: number;
  /**
   * Answers one request; waits while the thread is starting.
   * @throws MadakvError of libs/contracts: `invalid_request`, `context_length_exceeded`, `cache_ratio_too_small`,
   *   `invalid_document`, `engine_crashed` (retryable), `worker_stopping` after close, `internal_error`
   * @throws the signal's reason when cancelled; what `load` of an image threw
   */
  generate(request: EngineRequest, control?: GenerateControl): Promise<EngineAnswer>;
  /** Fails what is under way with `worker_stopping` and ends the thread. */
  close(): Promise<void>;
}
