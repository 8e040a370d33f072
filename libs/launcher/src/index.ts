/**
 * Redis, budget service, gateway and workers on one machine, as child processes of this one.
 *
 * `LocalSystem.start` claims a data folder, starts everything and resolves when all of it is ready; what it does and what its
 * processes write goes to functions that are passed in. orphan.guard.ts is a program of its own and no part of this index.
 */
export { DataFolder, type RunningSystem } from './data.folder.js';
export { BUNDLED_MODEL, dataFolderPath, DEMO_FOLDER, requireModel } from './installation.js';
export * from './launch.errors.js';
export { LocalSystem, type LocalSystemOptions, type SystemNote } from './local.system.js';
export { isRoutine, readableLine, type LogLine } from './log.line.js';
export { MALLOC_ENVIRONMENT } from './malloc.environment.js';
export { modelIdOf } from './service.plans.js';
export { isAlive, ProcessIdentitySchema, type ProcessIdentity } from './process.identity.js';
