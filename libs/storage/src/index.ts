export * from './file.key.js';
export * from './file.store.js';
export * from './line.scanner.js';
export * from './local.file.store.js';
export * from './open.file.store.js';
export * from './s3.file.store.js';
export * from './storage.error.js';
