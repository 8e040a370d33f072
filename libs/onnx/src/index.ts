export * from './graph.builder.js';
export { dataTypes, type DataType } from './schema.js';
