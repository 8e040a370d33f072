export * from './graph.builder.js';
export * from './provider.js';
export { release, TensorScope, viewOf } from './tensor.scope.js';
export { cpuProvider } from './cpu.provider.js';
export { cudaProvider, webgpuProvider } from './gpu.providers.js';
export { dataTypes, zeroCode, type CodeType, type DataType } from './schema.js';
