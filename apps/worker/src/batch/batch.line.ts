import {
  BatchLineSchema,
  checkChatRequest,
  describeIssues,
  errorBody,
  MadakvError,
  parseJson,
  type BatchError,
  type LineRefusal,
} from '@madakv/contracts';
import type { FileLine } from '@madakv/storage';

/** Characters of what a refusal says. */
const MAX_MESSAGE = 1_000;

const NamedLineSchema = BatchLineSchema.pick({ custom_id: true }).strip();

/** A line that can be run. */
export interface RunnableLine {
  readonly state: 'runnable';
  readonly customId: string;
  readonly model: string;
  /** Not checked yet but for its model. */
  readonly body: Readonly<Record<string, unknown>>;
}

export type CheckedLine = RunnableLine | LineRefusal;

/** UTF-8 only; a mark in the middle of a file is not JSON. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Whether a line is a request that can be run. One that is no request of this endpoint is refused with its number; one
 * whose body names no model that is known is answered as the endpoint itself would answer it. The rest of the body is
 * checked where it is prepared.
 * @param models names of those that are known
 */
export function checkLine(line: FileLine, models: ReadonlySet<string>, maxLineBytes: number): CheckedLine {
  if (line.content === undefined) {
    const message = `the line has ${line.length} bytes; the limit is ${maxLineBytes} bytes`;
    return refused(null, 'line_too_long', message);
  }
  let value: unknown;
  try {
    value = parseJson(decoder.decode(line.content), line.line);
  } catch (error) {
    return refused(null, 'invalid_json_line', error instanceof MadakvError ? error.message : 'the line is not UTF-8');
  }
  const parsed = BatchLineSchema.safeParse(value);
  if (!parsed.success) {
    return refused(customIdOf(value), 'invalid_request', describeIssues(parsed.error.issues));
  }
  const { custom_id: customId, body } = parsed.data;
  const { model } = body;
  if (typeof model === 'string' && models.has(model)) return { state: 'runnable', customId, model, body };
  const { status, body: answer } = modelError(body);
  return { state: 'refused', customId, error: null, answer: { status, body: answer } };
}

/** The custom_id that a line names, if it names one, whatever else is wrong with it. */
export function lineCustomId({ content }: FileLine): string | null {
  if (content === undefined) return null;
  try {
    return customIdOf(JSON.parse(decoder.decode(content)));
  } catch {
    return null;
  }
}

/** A refusal as an error of a batch that fails as a whole. */
export function refusalError(line: number, { error, answer }: LineRefusal): BatchError {
  if (error !== null) return { ...error, line, param: null };
  const { message, code, param } = answer?.body['error'] as { message: string; code: string; param: string | null };
  return { code, message, line, param: param === null ? 'body' : `body.${param}` };
}

function modelError(body: Record<string, unknown>): { status: number; body: Record<string, unknown> } {
  try {
    // A body without a usable model fails here, and all that is wrong with it is named.
    checkChatRequest(body);
  } catch (invalid) {
    if (invalid instanceof MadakvError) return { status: invalid.httpStatus, body: errorBody(invalid) };
    throw invalid;
  }
  const message = `there is no model ${JSON.stringify(body['model'])}`;
  const error = new MadakvError('model_not_found', message, { param: 'model' });
  return { status: error.httpStatus, body: errorBody(error) };
}

function refused(customId: string | null, code: string, message: string): LineRefusal {
  return { state: 'refused', customId, error: { code, message: message.slice(0, MAX_MESSAGE) }, answer: null };
}

function customIdOf(value: unknown): string | null {
  const { success, data } = NamedLineSchema.safeParse(value);
  return success ? data.custom_id : null;
}
