export * from './queue.catalogue.js';
