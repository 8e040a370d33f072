import { CacheSummarySchema } from '@madakv/contracts';
import { z } from 'zod';

/** What an answer's reader should know: a part of a document that could not be shown, a font that was missing. */
const AnswerWarningSchema = z.looseObject({ code: z.string(), message: z.string(), param: z.string().nullish() });
export interface AnswerWarning {
  readonly code: string;
  readonly message: string;
  /** Key of the part of the request that it is about. */
  readonly param?: string | null | undefined;
}

const WarningsSchema = z.array(AnswerWarningSchema).nullish().catch(undefined);

/** The `madakv` of a chat completion. Warnings that are missing, or other than expected, cost nobody the answer. */
export const WarnedSummarySchema = CacheSummarySchema.extend({ warnings: WarningsSchema });

/** @param summary the `madakv` of a chat completion, or its trace, with or without warnings */
export function warningsOf(summary: object): readonly AnswerWarning[] {
  return z.object({ warnings: WarningsSchema }).parse(summary).warnings ?? [];
}

/** One line for people. */
export function warningText({ code, message }: AnswerWarning): string {
  return `${code}: ${message}`;
}
