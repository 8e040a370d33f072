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
/** What shall happen when a part that the process cannot do without does not start. */
export const ON_FATAL = Symbol('on fatal');
export type OnFatal = (error: Error) => void;
