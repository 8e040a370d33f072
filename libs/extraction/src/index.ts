/**
 * From a JSON schema to questions about a document, and from their answers to the object of the schema.
 *
 * `extractionPlan` says what is asked, `assemble` reads the answers. Both are pure; who asks is the caller's affair.
 */
export {
  assemble,
  type ExtractedField,
  type Extraction,
  type ExtractionProblem,
  type FieldAnswer,
} from './assemble.js';
export {
  ANSWER_TOKENS,
  EXTRACTION_LIMITS,
  type ExtractionField,
  type ExtractionPlan,
  type FieldKind,
  type PlanNode,
} from './extraction.plan.js';
export { INSTRUCTION } from './field.question.js';
export { extractionPlan } from './plan.schema.js';
