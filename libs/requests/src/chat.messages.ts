import { MadakvError, type PreparedRequest } from '@madakv/contracts';
import type { ChatMessage, ChatPart } from '@madakv/models';

type PreparedMessage = PreparedRequest['messages'][number];

/** Messages as `OpenModel.prepare` takes them, and which image stands at each of their image parts, in order. */
export interface ChatPrompt {
  readonly messages: readonly ChatMessage[];
  /** Indices into the request's images. */
  readonly images: readonly number[];
}

/**
 * Prepared messages for a chat template. A message of one text alone is given as a string, the form that templates take
 * for every role.
 * @param imageCount images that the request has
 * @throws MadakvError `internal_error` for an index beyond them
 */
export function chatMessages(messages: readonly PreparedMessage[], imageCount: number): ChatPrompt {
  const images: number[] = [];
  const toPart = (part: PreparedMessage['content'][number]): ChatPart => {
    if (part.type === 'text') return part;
    if (part.index < 0 || part.index >= imageCount) {
      throw new MadakvError('internal_error', `image ${part.index} of ${imageCount} in a prepared request`);
    }
    images.push(part.index);
    return { type: 'image_url', image_url: { url: String(part.index) } };
  };
  return {
    messages: messages.map(({ role, content }) => {
      const [first, ...others] = content.map(toPart);
      if (content.length === 0) return { role, content: '' };
      if (others.length === 0 && first.type === 'text') return { role, content: first.text };
      return { role, content: [first, ...others] };
    }),
    images,
  };
}
