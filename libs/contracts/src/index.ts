export * from './budget.messages.js';
export * from './budget.protocol.js';
export * from './environment.js';
export * from './errors.js';
export * from './telemetry.names.js';
