import type { EngineAnswer, EngineEvent, EngineInfo, EngineRequest, EngineSettings } from './engine.request.js';
import type { WireError } from './wire.error.js';

/** What the thread is started with. */
export interface ThreadData {
  readonly settings: EngineSettings;
  /** One float64 in shared memory, written by the thread: bytes of key-value cache that are allocated now. */
  readonly kvBytes: SharedArrayBuffer;
}

/** A request without what cannot be sent: images are asked for by their index when they are needed. */
export interface WireRequest extends Omit<EngineRequest, 'images'> {
  readonly images: readonly { readonly key: string; readonly part: string }[];
}

/** `ticket` names a request between host and thread; a request that is tried again gets a new one. */
export type ToThread =
  | { readonly kind: 'submit'; readonly ticket: number; readonly request: WireRequest }
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
  | { readonly kind: 'wanted'; readonly ticket: number; readonly index: number }
  | { readonly kind: 'event'; readonly ticket: number; readonly event: EngineEvent }
  | { readonly kind: 'done'; readonly ticket: number; readonly answer: EngineAnswer }
  | { readonly kind: 'error'; readonly ticket: number; readonly error: WireError };
