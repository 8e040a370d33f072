import { send } from './http.js';
import type { CacheSummary, ChatCompletionChunk } from './types.js';

export interface StreamedAnswer {
  readonly id: string;
  readonly text: string;
  /** Known with the last token. */
  readonly summary?: CacheSummary;
  readonly finishReason?: string;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
}

/**
 * Asks, and tells of the answer as it grows.
 * @throws ApiError, also where the answer broke off with an error; the signal's reason
 */
export async function streamChat(
  body: object,
  onAnswer: (answer: StreamedAnswer) => void,
  signal: AbortSignal,
): Promise<StreamedAnswer> {
  const response = await send('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  let answer: StreamedAnswer = { id: '', text: '' };
  for await (const data of eventData(response)) {
    if (data === '[DONE]') break;
    const chunk = JSON.parse(data) as ChatCompletionChunk | { readonly error: { readonly message: string } };
    if ('error' in chunk) throw new Error(chunk.error.message);
    answer = grown(answer, chunk);
    onAnswer(answer);
  }
  return answer;
}

function grown(answer: StreamedAnswer, { id, choices, usage, madakv }: ChatCompletionChunk): StreamedAnswer {
  const choice = choices.at(0);
  return {
    ...answer,
    id,
    text: answer.text + (choice?.delta.content ?? ''),
    ...(madakv === undefined ? {} : { summary: madakv }),
    ...(choice?.finish_reason == null ? {} : { finishReason: choice.finish_reason }),
    ...(usage == null ? {} : { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens }),
  };
}

async function* eventData(response: Response): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        const data = event.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []));
        if (data.length > 0) yield data.join('\n');
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
