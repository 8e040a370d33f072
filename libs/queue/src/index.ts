export * from './job.options.js';
export * from './job.queues.js';
export * from './queue.telemetry.js';
