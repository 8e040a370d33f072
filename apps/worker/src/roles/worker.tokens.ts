import type { EngineHost, EngineHostOptions } from '../engine/engine.host.js';

/** Providers that have no class of their own in this process, or share one. */
export const SETTINGS = Symbol('settings');
/** The connection of records, queues and workers. */
export const REDIS = Symbol('redis');
/** A connection that only hears announcements. */
export const SUBSCRIBER = Symbol('redis subscriber');
export const RECORDS = Symbol('records');
export const STORE = Symbol('file store');
export const MODEL = Symbol('model');
export const OUTCOMES = Symbol('outcome writer');
export const HOOKS = Symbol('hooks');

/** What the process itself decides. */
export interface WorkerHooks {
  /** The model cannot be loaded: without it the process is of no use. */
  readonly onFatal: (error: Error) => void;
  /** Starts the engine's thread; tests put another engine in its place. */
  readonly startEngine: (options: EngineHostOptions) => Promise<RunningEngine>;
}

export type RunningEngine = Pick<EngineHost, 'state' | 'info' | 'memory' | 'generate' | 'close'>;
