export * from './batches.js';
export * from './chat.completion.js';
export * from './chat.request.js';
export * from './error.body.js';
export * from './files.js';
export * from './models.js';
