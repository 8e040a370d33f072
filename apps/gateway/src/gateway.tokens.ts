/** Injection tokens of what is not a Nest class. */
export const SETTINGS = Symbol('GatewaySettings');
export const REDIS = Symbol('Redis');
export const STORE = Symbol('FileStore');
export const EVENTS = Symbol('AnswerEventReader');
export const TELEMETRY = Symbol('Telemetry');
