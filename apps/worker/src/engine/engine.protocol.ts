import type {
  EngineAnswer,
  EngineEvent,
  EngineImage,
  EngineInfo,
  EngineRequest,
  EngineSettings,
} from './engine.request.js';
import type { WireError } from './wire.error.js';

/**
 * What the thread says of its memory, in bytes: key-value cache of running requests, visual features and resident rows that are kept; V8's
 * heap of the thread, and buffers outside of it, which hold the former three and what passes through.
 */
export const THREAD_MEMORY = ['kv', 'features', 'rows', 'heap', 'buffers'] as const;
export type ThreadMemory = Readonly<Record<(typeof THREAD_MEMORY)[number], number>>;

/** What the thread is started with. */
export interface ThreadData {
  readonly settings: EngineSettings;
  /** What the thread holds now, written by it: a float64 for each of {@link THREAD_MEMORY}, in bytes. */
  readonly memory: SharedArrayBuffer;
}

/** A request without what cannot be sent: images are asked for by their index when they are needed. */
export interface WireRequest extends Omit<EngineRequest, 'images'> {
  readonly images: readonly Omit<EngineImage, 'load'>[];
}

export interface Submitted {
  readonly ticket: number;
  readonly request: WireRequest;
}

/** `ticket` names a request between host and thread; a request that is tried again gets a new one. */
export type ToThread =
  /** Those of a message are scheduled together: what begins alike among them is read together. */
  | { readonly kind: 'submit'; readonly requests: readonly Submitted[] }
  /** Answers `wanted`. */
  | { readonly kind: 'image'; readonly ticket: number; readonly index: number; readonly bytes: Uint8Array }
  /** The request settles with `error`, or with `done` where it was too late. */
  | { readonly kind: 'cancel'; readonly ticket: number }
  /** Cancels all and ends the thread. */
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'building'; readonly done: number; readonly total: number }
  | { readonly kind: 'ready'; readonly info: EngineInfo }
  /** The model cannot be loaded; the thread ends. */
  | { readonly kind: 'failed'; readonly error: WireError }
  /** The `documentKey`s of all documents that are resident from now on. */
  | { readonly kind: 'resident'; readonly documentKeys: readonly string[] }
  | { readonly kind: 'wanted'; readonly ticket: number; readonly index: number }
  | { readonly kind: 'event'; readonly ticket: number; readonly event: EngineEvent }
  | { readonly kind: 'done'; readonly ticket: number; readonly answer: EngineAnswer }
  | { readonly kind: 'error'; readonly ticket: number; readonly error: WireError };
