import {
  batchUsage,
  type AnswerEvent,
  type ChatCompletion,
  type CreateResponse,
  type OutputMessage,
  type ResponseEvent,
  type ResponseObject,
} from '@madakv/contracts';
import { ChatChunks } from '../chat/chat.chunks.js';

type TokenEvent = Extract<AnswerEvent, { kind: 'token' }>;

/** Makes a response of a chat completion, and the events of one that is streamed, in OpenAI's order. */
export class ResponseEvents {
  private sequence = 0;
  private readonly chunks: ChatChunks;
  private readonly place: { readonly item_id: string; readonly output_index: 0; readonly content_index: 0 };
  private text = '';

  /**
   * @param chatId of the chat completion that answers it
   * @param createdAt seconds since 1970
   */
  constructor(
    private readonly body: CreateResponse,
    private readonly chatId: string,
    private readonly createdAt: number,
  ) {
    this.chunks = new ChatChunks({ id: chatId, created: createdAt, model: body.model }, false);
    this.place = { item_id: `msg_${this.hex}`, output_index: 0, content_index: 0 };
  }

  /** @param at seconds since 1970 */
  response({ choices: [choice], usage, madakv, model }: ChatCompletion, at: number): ResponseObject {
    const isWhole = choice.finish_reason === 'stop';
    const status = isWhole ? 'completed' : 'incomplete';
    const { prompt_tokens, prompt_tokens_details, completion_tokens } = usage;
    return {
      ...this.begun(),
      model,
      status,
      completed_at: isWhole ? at : null,
      incomplete_details: isWhole ? null : { reason: 'max_output_tokens' },
      output: [this.message(status, choice.message.content)],
      usage: batchUsage(prompt_tokens, prompt_tokens_details?.cached_tokens ?? 0, completion_tokens),
      madakv,
    };
  }

  /** What comes before the first text. */
  *start(): Generator<ResponseEvent, void, undefined> {
    yield this.event('response.created', { response: this.begun() });
    yield this.event('response.in_progress', { response: this.begun() });
    const item = { ...this.message('in_progress', ''), content: [] };
    yield this.event('response.output_item.added', { output_index: 0, item });
    yield this.event('response.content_part.added', { ...this.place, part: outputText('') });
  }

  /** @returns undefined for a token that was sent */
  token(token: TokenEvent): ResponseEvent | undefined {
    const content = this.chunks.token(token)?.choices[0].delta.content;
    return content === undefined ? undefined : this.delta(content);
  }

  /** What is left to say once the answer is there. @param at seconds since 1970 */
  *end(completion: ChatCompletion, at: number): Generator<ResponseEvent, void, undefined> {
    for (const chunk of this.chunks.end(completion)) {
      const content = chunk.choices.at(0)?.delta.content;
      if (content !== undefined) yield this.delta(content);
    }
    const response = this.response(completion, at);
    const [item] = response.output;
    yield this.event('response.output_text.done', { ...this.place, text: this.text, logprobs: [] });
    yield this.event('response.content_part.done', { ...this.place, part: outputText(this.text) });
    yield this.event('response.output_item.done', { output_index: 0, item });
    yield this.event(`response.${response.status}`, { response });
  }

  /** Ends a stream that has begun. */
  error(error: {
    readonly code: string | null;
    readonly message: string;
    readonly param: string | null;
  }): ResponseEvent {
    const { code, message, param } = error;
    return this.event('error', { code, message, param });
  }

  private delta(content: string): ResponseEvent {
    this.text += content;
    return this.event('response.output_text.delta', { ...this.place, delta: content, logprobs: [] });
  }

  private event(type: string, rest: object): ResponseEvent {
    return { type, sequence_number: this.sequence++, ...rest };
  }

  private begun(): ResponseObject {
    const { instructions, max_output_tokens, metadata, model, temperature, text, top_p } = this.body;
    return {
      id: `resp_${this.hex}`,
      object: 'response',
      created_at: this.createdAt,
      completed_at: null,
      status: 'in_progress',
      background: false,
      error: null,
      incomplete_details: null,
      instructions: instructions ?? null,
      max_output_tokens: max_output_tokens ?? null,
      metadata: metadata ?? {},
      model,
      output: [],
      parallel_tool_calls: false,
      previous_response_id: null,
      store: false,
      temperature: temperature ?? null,
      text: { format: text?.format ?? { type: 'text' } },
      tool_choice: 'none',
      tools: [],
      top_p: top_p ?? null,
      truncation: 'disabled',
      usage: null,
    };
  }

  private message(status: OutputMessage['status'], text: string): OutputMessage {
    return { id: this.place.item_id, type: 'message', role: 'assistant', status, content: [outputText(text)] };
  }

  private get hex(): string {
    return this.chatId.slice(this.chatId.indexOf('-') + 1);
  }
}

function outputText(text: string): OutputMessage['content'][number] {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}
