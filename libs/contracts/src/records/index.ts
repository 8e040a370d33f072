export * from './prompt.text.js';
export * from './records.js';
export * from './store.keys.js';
export * from './trace.document.js';
export * from './webhook.records.js';
