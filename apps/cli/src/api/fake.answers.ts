import { isUtf8 } from 'node:buffer';
import { checkChatRequest, type BatchLine, type ExtractedFieldObject } from '@madakv/contracts';
import { extractionAnswer, extractionRequests, linesOf } from '@madakv/requests';
import type { AnswerWarning } from './answer.warnings.js';

/** What the fake answers to a request: a text, or an error with a status. */
export type FakeAnswer = string | { readonly status: number; readonly code: string; readonly message: string };

export const USAGE = { prompt_tokens: 1000, completion_tokens: 3, total_tokens: 1003 };

/** @param warnings left out where there are none, as a server may do */
export function summaryOf(traceId: string, warnings: readonly AnswerWarning[]): Record<string, unknown> {
  return {
    trace_id: traceId,
    policy: 'madakv',
    cache_ratio: 0.2,
    requested_cache_ratio: 0.2,
    prompt_tokens: { text: 40, visual: 960 },
    bytes: { full: 10_240_000, peak: 3_000_000, kept: 2_048_000 },
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** The body of a chat completion, or of the error that the answer is. */
export function completionOf(
  id: string,
  model: string,
  answer: FakeAnswer,
  warnings: readonly AnswerWarning[],
  fields?: readonly ExtractedFieldObject[],
): { status_code: number; body: Record<string, unknown> } {
  if (typeof answer !== 'string') {
    const { status, code, message } = answer;
    return { status_code: status, body: { error: { message, type: 'invalid_request_error', param: null, code } } };
  }
  const message = { role: 'assistant', content: answer, refusal: null };
  return {
    status_code: 200,
    body: {
      id,
      object: 'chat.completion',
      created: 1,
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
      usage: USAGE,
      madakv: { ...summaryOf(id, warnings), ...(fields === undefined ? {} : { fields }) },
    },
  };
}

export function isExtraction(body: Record<string, unknown>): boolean {
  return (body['madakv'] as { extract?: boolean } | undefined)?.extract === true;
}

/** The object that is made of an answer to each of the questions; an error where one of them is one. */
export function extractionOf(
  body: Record<string, unknown>,
  answerTo: (question: string, body: Record<string, unknown>) => FakeAnswer,
): { readonly answer: FakeAnswer; readonly fields?: readonly ExtractedFieldObject[] } {
  const { plan, requests } = extractionRequests(checkChatRequest(body));
  const answers = requests.map((request) => answerTo(questionOf(request), body));
  const failed = answers.find((answer) => typeof answer !== 'string');
  if (failed !== undefined) return { answer: failed };
  const texts = answers.filter((answer) => typeof answer === 'string');
  const { content, fields } = extractionAnswer(
    plan,
    texts.map((text, i) => ({
      text,
      finishReason: 'stop',
      completionTokens: 3,
      bytes: { full: 1_000_000, kept: 200_000 },
      traceId: `request.${i + 1}`,
    })),
  );
  return { answer: content, fields };
}

/** The last text of the last message. */
export function questionOf(body: object): string {
  const messages = (body as Record<string, unknown>)['messages'] as {
    content: string | { type: string; text?: string }[];
  }[];
  const content = messages.at(-1)?.content ?? '';
  return typeof content === 'string' ? content : (content.filter(({ type }) => type === 'text').at(-1)?.text ?? '');
}

/**
 * Lines of a batch's output and error file, the last line first: an order that nobody may rely on.
 * @param refused numbers of lines that are refused besides those that are not UTF-8
 */
export function batchResults(
  batchId: string,
  input: Buffer,
  refused: readonly number[],
  reply: (id: string, body: Record<string, unknown>) => ReturnType<typeof completionOf>,
): { readonly output: string[]; readonly errors: string[] } {
  const [output, errors]: [string[], string[]] = [[], []];
  for (const [index, bytes] of [...linesOf(input).entries()].reverse()) {
    const text = bytes.toString();
    const line = index + 1;
    if (text.trim() === '') continue;
    if (refused.includes(line) || !isUtf8(bytes)) {
      const error = { code: 'invalid_json', message: isUtf8(bytes) ? 'not JSON' : 'the line is not UTF-8', line };
      errors.push(JSON.stringify({ id: `r${line}`, custom_id: null, response: null, error }));
      continue;
    }
    const { custom_id, body } = JSON.parse(text) as BatchLine;
    const id = `${batchId}_${line}`;
    const answered = reply(id, body);
    const result = { id: `r${line}`, custom_id, response: { ...answered, request_id: id }, error: null };
    (answered.status_code === 200 ? output : errors).push(JSON.stringify(result));
  }
  return { output, errors };
}
