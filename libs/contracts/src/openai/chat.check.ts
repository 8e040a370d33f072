import { MadakvError } from '../errors.js';
import { ChatRequestSchema, type ChatRequest } from './chat.request.js';
import { parseJson } from './json.text.js';
import { describeIssues, firstIssuePath } from './schema.issues.js';

/**
 * The body of a chat completion from its text.
 * @throws MadakvError `invalid_json`; `invalid_request` as of {@link checkChatRequest}
 */
export function parseChatRequest(text: string): ChatRequest {
  return checkChatRequest(parseJson(text));
}

/**
 * The body of a chat completion, without the keys that mean nothing here.
 * @throws MadakvError `invalid_request`: `param` is the first key that is wrong, the message names all
 */
export function checkChatRequest(value: unknown): ChatRequest {
  const result = ChatRequestSchema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const param = firstIssuePath(issues);
  throw new MadakvError('invalid_request', describeIssues(issues), param === undefined ? {} : { param });
}
