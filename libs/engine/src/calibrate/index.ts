export {
  requestSensitivity,
  type CalibrationRequest,
  type Generator,
  type RequestSensitivity,
  type SensitivityOptions,
} from './layer.sensitivity.js';
export { layerWeights, WEIGHT_FORMULA, WEIGHT_RULE, type WeightRule } from './layer.weights.js';
export { oneLayerPolicy, rankingPolicy } from './one.layer.policy.js';
export {
  newProfile,
  PROFILE_FILE,
  readProfile,
  writeProfile,
  type CalibratedProfile,
  type ProfileProvenance,
} from './profile.file.js';
export {
  meanDivergences,
  sensitivityFigures,
  type LayerFigures,
  type SensitivityFigures,
} from './sensitivity.figures.js';
