import type { ExtractedFieldObject, FinishReason } from '@madakv/contracts';
import { assemble, type ExtractionPlan } from '@madakv/extraction';

/** What came of the question of one field. */
export interface FieldResult {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly completionTokens: number;
  /** Of the question's cache. */
  readonly bytes: { readonly full: number; readonly kept: number };
  readonly traceId: string;
}

export interface ExtractionAnswer {
  /** The object as JSON: the text of the completion. */
  readonly content: string;
  /** For `madakv.fields` of the completion. */
  readonly fields: ExtractedFieldObject[];
}

/** @param results one for each field of the plan, in its order */
export function extractionAnswer(plan: ExtractionPlan, results: readonly FieldResult[]): ExtractionAnswer {
  const { object, fields } = assemble(
    plan,
    results.map(({ text, finishReason }) => ({ text, isWhole: finishReason === 'stop' })),
  );
  return {
    content: JSON.stringify(object),
    fields: fields.map(({ field, answer, value, problems }, i) => ({
      name: field.name,
      answer,
      value,
      problems: problems.map((problem) => ({ ...problem })),
      finish_reason: results[i].finishReason,
      completion_tokens: results[i].completionTokens,
      bytes: { ...results[i].bytes },
      trace_id: results[i].traceId,
    })),
  };
}
