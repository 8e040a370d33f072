import {
  TokenLogprobSchema,
  type AnswerEvent,
  type ChatCompletion,
  type ChatCompletionChunk,
  type TokenLogprob,
} from '@madakv/contracts';
import { z } from 'zod';

type Choice = ChatCompletionChunk['choices'][number];
type TokenEvent = Extract<AnswerEvent, { kind: 'token' }>;

const EventLogprobsSchema = z.union([z.array(TokenLogprobSchema), TokenLogprobSchema.transform((entry) => [entry])]);

/** Makes the events of one streamed completion: role, pieces of text, the end, usage. */
export class ChatChunks {
  /** Tokens with lower indices were sent: a retried request repeats them. */
  private nextIndex = 0;
  private text = '';

  constructor(
    private readonly head: { readonly id: string; readonly created: number; readonly model: string },
    private readonly includeUsage: boolean,
  ) {}

  role(): ChatCompletionChunk {
    return this.chunk({ role: 'assistant', content: '' });
  }

  /** @returns undefined for a token that was sent */
  token({ index, text, logprobs }: TokenEvent): ChatCompletionChunk | undefined {
    if (index < this.nextIndex) return undefined;
    this.nextIndex = index + 1;
    this.text += text;
    const content = EventLogprobsSchema.safeParse(logprobs).data;
    return this.chunk({ content: text }, content === undefined ? {} : { logprobs: { content, refusal: null } });
  }

  /** What is left to say once the answer is there: text whose events are gone, why it ended, usage. */
  *end(completion: ChatCompletion): Generator<ChatCompletionChunk, void, undefined> {
    const [{ message, finish_reason, logprobs }] = completion.choices;
    if (message.content.length > this.text.length && message.content.startsWith(this.text)) {
      const missed: TokenLogprob[] | undefined = logprobs?.content.slice(this.nextIndex);
      const content = message.content.slice(this.text.length);
      yield this.chunk({ content }, missed === undefined ? {} : { logprobs: { content: missed, refusal: null } });
    }
    yield { ...this.chunk({}, { finish_reason }), madakv: completion.madakv };
    if (this.includeUsage) yield { ...this.chunk({}), choices: [], usage: completion.usage };
  }

  private chunk(delta: Choice['delta'], rest: Partial<Choice> = {}): ChatCompletionChunk {
    return {
      id: this.head.id,
      object: 'chat.completion.chunk',
      created: this.head.created,
      model: this.head.model,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...rest }],
      ...(this.includeUsage ? { usage: null } : {}),
    };
  }
}
