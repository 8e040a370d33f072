export { cachedModels, freedBytes, removeCachedModel, type CachedModel } from './cached.models.js';
export { HubError, type HubErrorCode } from './hub.error.js';
export { hubSettings, type HubSettings } from './hub.settings.js';
export {
  DEFAULT_REVISION,
  parseReference,
  readReference,
  referenceText,
  type ModelReference,
} from './model.reference.js';
export { modelName, modelSource, orNoFolder, type ModelSource } from './model.source.js';
export { pullModel, type PulledModel, type PullOptions, type PullProgress } from './pull.js';
export { cachedSnapshot } from './snapshot.store.js';
