import type { MadakvOptions } from '@madakv/contracts';
import type { ChatMessage } from '@madakv/models';

/** Where a message's documents are read: in front of its text where that all stands before them, or as given. */
export type DocumentOrder = NonNullable<MadakvOptions['layout']>;

/**
 * A message's parts in the order in which the model reads them. `auto` puts documents before a text that all stands before them:
 * OpenAI's examples ask first and attach then, but a reader that has the question behind the pages looks for the answer when it has
 * seen them. Text between or behind documents says where it belongs, so such a message stays as it is.
 */
export function inReadingOrder<Part extends { readonly type: string }>(
  parts: readonly Part[],
  order: DocumentOrder = 'auto',
): Part[] {
  const isText = ({ type }: Part): boolean => type === 'text';
  const lastText = parts.findLastIndex(isText);
  const firstDocument = parts.findIndex((part) => !isText(part));
  if (order === 'as_given' || lastText < 0 || lastText > firstDocument) return [...parts];
  return [...parts.slice(lastText + 1), ...parts.slice(0, lastText + 1)];
}

/** A request's messages as the model reads them. Images keep their order among themselves, so that they still match what is loaded of them. */
export function messagesInReadingOrder({
  messages,
  madakv,
}: {
  readonly messages: readonly ChatMessage[];
  readonly madakv?: { readonly layout?: DocumentOrder | undefined } | null | undefined;
}): ChatMessage[] {
  return messages.map((message) =>
    Array.isArray(message.content) ? { ...message, content: inReadingOrder(message.content, madakv?.layout) } : message,
  );
}
