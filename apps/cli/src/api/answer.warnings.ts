import { z } from 'zod';

/** What an answer's reader should know: a part of a document that could not be shown, a font that was missing. */
const AnswerWarningSchema = z.object({ code: z.string(), message: z.string(), param: z.string().nullish() });
export type AnswerWarning = z.infer<typeof AnswerWarningSchema>;

const WarnedSchema = z.object({ warnings: z.array(AnswerWarningSchema).nullish() });

/** @param summary the `madakv` of a chat completion, with or without warnings */
export function warningsOf(summary: unknown): readonly AnswerWarning[] {
  return WarnedSchema.safeParse(summary).data?.warnings ?? [];
}

/** One line for people. */
export function warningText({ code, message }: AnswerWarning): string {
  return `${code}: ${message}`;
}
