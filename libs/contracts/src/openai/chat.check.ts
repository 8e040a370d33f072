import { givenKeys } from './absent.js';
import { ChatRequestSchema, type ChatRequest } from './chat.request.js';
import { parseJson } from './json.text.js';
import { requestError } from './schema.issues.js';

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
  const result = ChatRequestSchema.safeParse(value);
  if (!result.success) throw requestError(result.error.issues);
  return givenKeys(result.data);
}
