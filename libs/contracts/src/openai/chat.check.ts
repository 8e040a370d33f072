import { MadakvError } from '../errors.js';
import { givenKeys } from './absent.js';
import { ChatRequestSchema, type ChatRequest } from './chat.request.js';
import { checkExtraction } from './extraction.check.js';
import { parseJson } from './json.text.js';
import { requestError } from './schema.issues.js';

/**
 * Values of a body, keys and items at any depth: many more than 256 messages have parts. Each may be wrong, and every
 * complaint takes its time and room before the first is told.
 */
const MAX_VALUES = 20_000;

/** What one key alone cannot say. */
const CheckedRequestSchema = ChatRequestSchema.superRefine(checkExtraction);

/**
 * The body of a chat completion from its text.
 * @throws MadakvError `invalid_json`; `invalid_request` as of {@link checkChatRequest}
 */
export function parseChatRequest(text: string): ChatRequest {
  return checkChatRequest(parseJson(text));
}

/**
 * The body of a chat completion, with what is obeyed and nothing else.
 * @throws MadakvError `invalid_request`: `param` is the first key that is wrong, the message names all
 */
export function checkChatRequest(value: unknown): ChatRequest {
  if (!isBounded(value, MAX_VALUES)) {
    throw new MadakvError('invalid_request', `the body has more than ${MAX_VALUES} values`);
  }
  const result = CheckedRequestSchema.safeParse(value);
  if (!result.success) throw requestError(result.error.issues);
  return givenKeys(result.data);
}

/** Whether a JSON value has no more values in it than `most`. Stops counting there. */
function isBounded(value: unknown, most: number): boolean {
  const open = [value];
  let count = 0;
  for (let inner = open.pop(); inner !== undefined; inner = open.pop()) {
    if (typeof inner !== 'object' || inner === null) continue;
    const values: unknown[] = Array.isArray(inner) ? inner : Object.values(inner);
    count += values.length;
    if (count > most) return false;
    for (const next of values) if (typeof next === 'object' && next !== null) open.push(next);
  }
  return true;
}
