import type { ChatTemplate, TemplateMessage, TemplatePart } from './chat.template.js';

/** Stands in for a text; no template has it, trims it or changes its case. */
const SENTINEL = '\uE000question\uE001';

/**
 * Characters that several texts at the end of a turn may have to be one question. "What is the total?" and "Answer with the
 * number only." are one; a passage and what is asked about it are not.
 */
export const JOINED_CHARACTERS = 256;

/**
 * Where the question starts in the rendered prompt: the last text of the last user turn, with the texts right before it as
 * long as all are short. Texts of blanks do not count. Works for any template, because it only compares what the template
 * makes of the messages with and without that text.
 *
 * Where one text holds a document and the question about it, all of it is the range; policies take its end (`QUESTION_WINDOW`
 * of libs/madakv).
 * @returns index into `text`, or undefined when there is no such text or the template does not show it
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
  const first = firstOfQuestion(content);
  if (first === undefined) return undefined;
  return content.map((part, i) => (i === first ? { type: 'text', text: SENTINEL } : part));
}

function firstOfQuestion(content: readonly TemplatePart[]): number | undefined {
  const last = content.findLastIndex((part) => part.type === 'text' && part.text.trim() !== '');
  if (last < 0) return undefined;
  let first = last;
  let characters = 0;
  for (let at = last; at >= 0; at--) {
    const part = content[at];
    if (part.type !== 'text') break;
    characters += part.text.length;
    if (characters > JOINED_CHARACTERS) break;
    if (part.text.trim() !== '') first = at;
  }
  return first;
}
