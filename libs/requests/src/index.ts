/**
 * Chat requests to what the engine takes, and its results to chat completions.
 *
 * A request's way: `withSeed` once when it is accepted, `generationSettings` of its parameters, `chatMessages` and
 * `OpenModel.prepare` for its prompt, `planGeneration` for checks and memory need, a lease, `grantedRatio`, the engine,
 * `chatCompletion` and `traceCache`.
 *
 * A request that is read from a file, without gateway and workers, comes by `files/`.
 */
export * from './answer.constraint.js';
export * from './applied.profile.js';
export * from './chat.completion.js';
export * from './chat.messages.js';
export * from './document.order.js';
export * from './extraction.answer.js';
export * from './extraction.requests.js';
export * from './generation.plan.js';
export * from './generation.settings.js';
export * from './memory.need.js';
export { checkFileRequest, fileRequestSchema, type FileRequest } from './files/file.request.js';
export { InputFileError } from './files/input.file.error.js';
export { parseJsonText } from './files/json.text.js';
export { loadImages } from './files/request.images.js';
export type { RequestSource } from './files/request.source.js';
export * from './files/text.file.js';
