export * from './batch.lines.js';
export * from './overview.js';
export * from './request.text.js';
export * from './session.js';
export * from './trace.view.js';
export * from './usage.js';
export * from './webhooks.js';
