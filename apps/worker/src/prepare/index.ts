export { KnownDocuments } from './known.documents.js';
export type { UserFiles } from './part.content.js';
export * from './prepare.settings.js';
export { PREPARE_ERROR_CODES } from './request.problem.js';
export { RequestPreparer, type PrepareInput, type PreparerParts } from './request.preparer.js';
export { ServedCache } from './served.cache.js';
