import type { ChatTemplate, TemplateMessage } from './chat.template.js';

/** Stands in for the question; no template has it, trims it or changes its case. */
const SENTINEL = '\uE000question\uE001';

/**
 * Where the question starts in the rendered prompt: the last text part of the last user turn. Works for any template,
 * because it only compares what the template makes of the messages with and without that text.
 * @returns index into `text`, or undefined when there is no such part or the template does not show it
 */
export function questionStart(
  template: ChatTemplate,
  messages: readonly TemplateMessage[],
  text: string,
): number | undefined {
  const turn = messages.findLastIndex(({ role }) => role === 'user');
  if (turn < 0) return undefined;
  const content = withoutQuestion(messages[turn].content);
  if (content === undefined) return undefined;
  const marked = template.render(messages.map((message, i) => (i === turn ? { ...message, content } : message)));
  const start = marked.indexOf(SENTINEL);
  return start >= 0 && marked.slice(0, start) === text.slice(0, start) ? start : undefined;
}

function withoutQuestion(content: TemplateMessage['content']): TemplateMessage['content'] | undefined {
  if (typeof content === 'string') return SENTINEL;
  const last = content.findLastIndex((part) => part.type === 'text');
  if (last < 0) return undefined;
  return content.map((part, i) => (i === last ? { type: 'text', text: SENTINEL } : part));
}
