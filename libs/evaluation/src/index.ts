/**
 * What eviction costs in right answers, and where.
 *
 * A measurement's way: a suite reads questions (`suites/`), `workOrder` chooses some, `describeRun` says what is measured, an `Answerer`
 * answers under every policy and ratio, `RunFolder` keeps each result, `writeReport` makes tables and figures of them.
 * `explainQuestion` looks at one question, `calibrateLayers` at what each layer's cache is worth. What needs no model stands in
 * `measures.ts`, which can be imported by itself.
 */
export { Answerer, type Answer, type AnswerSettings, type PlannedAnswer } from './answer/answerer.js';
export { readCalibrationData, type CalibrationData } from './calibration/calibration.data.js';
export { calibrateLayers, type CalibrationOptions } from './calibration/layer.calibration.js';
export { EvaluationError, type EvaluationErrorCode } from './evaluation.error.js';
export type { EvidencePlace, Explanation, HeadExplanation } from './explain/explanation.js';
export {
  explainQuestion,
  readPages,
  type ExplainSettings,
  type QuestionPages,
} from './explain/question.explanation.js';
export { findQuestion, type Question, type Suite, type SuiteData } from './question.js';
export * from './measures.js';
export type { EvalReport } from './report/report.data.js';
export { formatRatio, ratiosOf as reportedRatios } from './report/report.format.js';
export { writeReport, type WrittenReport } from './report/report.js';
export { runQuestions, type EvalRun, type EvalRunOptions } from './run/eval.run.js';
export { describeRun, scoredSets, type RunChoice, type RunMaterial, type RunOrigin } from './run/run.description.js';
export { RunFolder } from './run/run.folder.js';
export type { ResultRecord, RunRecord, RunSettings } from './run/run.record.js';
export { workOrder } from './run/work.order.js';
export { suites } from './suites/suites.js';
export { ABLATION, chooseVariants, DEFAULT_RATIOS, type Variant } from './variants.js';
