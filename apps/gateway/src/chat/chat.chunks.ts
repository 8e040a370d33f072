import {
  MadakvError,
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
  /** Texts of the tokens that were sent, by index: a retried request repeats them. */
  private readonly sent: string[] = [];

  constructor(
    private readonly head: { readonly id: string; readonly created: number; readonly model: string },
    private readonly includeUsage: boolean,
  ) {}

  role(): ChatCompletionChunk {
    return this.chunk({ role: 'assistant', content: '' });
  }

  /**
   * @returns undefined for a token that was sent
   * @throws MadakvError stream_broken for another one in its place: the request was begun again, with another share of the cache
   */
  token({ index, text, logprobs }: TokenEvent): ChatCompletionChunk | undefined {
    if (index < this.sent.length) {
      if (this.sent[index] !== text) throw broken();
      return undefined;
    }
    this.sent[index] = text;
    const content = EventLogprobsSchema.safeParse(logprobs).data;
    return this.chunk({ content: text }, content === undefined ? {} : { logprobs: { content, refusal: null } });
  }

  /**
   * What is left to say once the answer is there: text whose events are gone, why it ended, usage.
   * @throws MadakvError stream_broken where it does not begin with what was sent
   */
  *end(completion: ChatCompletion): Generator<ChatCompletionChunk, void, undefined> {
    const [{ message, finish_reason, logprobs }] = completion.choices;
    const before = this.sent.join('');
    if (!message.content.startsWith(before)) throw broken();
    if (message.content.length > before.length) {
      const missed: TokenLogprob[] | undefined = logprobs?.content.slice(this.sent.length);
      const content = message.content.slice(before.length);
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

function broken(): MadakvError {
  return new MadakvError(
    'stream_broken',
    'The request was begun again with another share of the cache, and its answer differs from what was sent: send it again.',
  );
}
