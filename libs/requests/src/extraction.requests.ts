import type { ChatRequest, Message } from '@madakv/contracts';
import { extractionPlan, INSTRUCTION, type ExtractionPlan } from '@madakv/extraction';
import { inReadingOrder } from './document.order.js';

type Part = Exclude<Message['content'], string | null | undefined>[number];

export interface ExtractionRequests {
  readonly plan: ExtractionPlan;
  /**
   * One for each field of the plan, in its order. They differ in the last text of the last message alone, so that one reading
   * of the documents serves all of them.
   */
  readonly requests: readonly ChatRequest[];
}

/**
 * The questions of a request with `madakv.extract`, each as a chat request of its own. Text of the user's stays where it is, in
 * front of the question.
 * @param request one that `checkChatRequest` takes
 */
export function extractionRequests(request: ChatRequest): ExtractionRequests {
  const { response_format: format, madakv, max_completion_tokens, max_tokens, messages, ...others } = request;
  if (format?.type !== 'json_schema' || madakv?.extract !== true) {
    throw new TypeError('a request that extracts nothing');
  }
  const plan = extractionPlan(format.json_schema.schema, { isChecked: true });
  const most = max_completion_tokens ?? max_tokens ?? Infinity;
  const { layout, ...options } = madakv;
  delete options.extract;
  const all = withInstruction(messages);
  const asked = all.at(-1);
  const content = asked?.content ?? [];
  const parts: Part[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const ordered = inReadingOrder(parts, layout);
  const requests = plan.fields.map(({ question, maxTokens }): ChatRequest => ({
    ...others,
    messages: [...all.slice(0, -1), { role: 'user', content: withQuestion(ordered, question) }],
    max_completion_tokens: Math.min(most, maxTokens),
    // The parts are in their order already.
    madakv: { ...options, layout: 'as_given' },
  }));
  return { plan, requests };
}

/** The first message is the system's, with what every question relies on at its end. */
function withInstruction(messages: readonly Message[]): Message[] {
  const [first, ...rest] = messages;
  if (first.role !== 'system' && first.role !== 'developer') {
    return [{ role: 'system', content: INSTRUCTION }, ...messages];
  }
  return [{ ...first, content: instructed(first.content ?? '') }, ...rest];
}

/** Documents of a system message stay where they are. */
function instructed(content: string | readonly Part[]): string | Part[] {
  if (typeof content === 'string') return content.trim() === '' ? INSTRUCTION : `${content} ${INSTRUCTION}`;
  const texts = content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  if (texts.length === content.length) return instructed(texts.join(''));
  const last = content.at(-1);
  return last?.type === 'text'
    ? [...content.slice(0, -1), { type: 'text', text: `${last.text} ${INSTRUCTION}` }]
    : [...content, { type: 'text', text: INSTRUCTION }];
}

function withQuestion(parts: readonly Part[], question: string): Part[] {
  const last = parts.at(-1);
  return last?.type === 'text' && last.text !== ''
    ? [...parts.slice(0, -1), { type: 'text', text: `${last.text}\n${question}` }]
    : [...parts, { type: 'text', text: question }];
}
