import type { ChatRequest, ContentPart } from '@madakv/contracts';
import type { MediaType } from '@madakv/documents';

/** A part of a message that is a document or an image, and its path in the request. */
export interface DocumentPart {
  /** `messages.0.content.1.file` */
  readonly path: string;
  readonly part: Exclude<ContentPart, { type: 'text' }>;
}

/** All of a request's, in the order of the prompt. */
export function documentParts(messages: ChatRequest['messages']): DocumentPart[] {
  return messages.flatMap(({ content }, message) =>
    Array.isArray(content)
      ? content.flatMap((part, index) =>
          part.type === 'text' ? [] : [{ path: `messages.${message}.content.${index}.${part.type}`, part }],
        )
      : [],
  );
}

/** Content of a part: known by its hash, read when it is needed. */
export interface PartContent {
  /** Hexadecimal. */
  readonly sha256: string;
  readonly mediaType: MediaType;
  /** Its length. */
  readonly size: number;
  bytes(signal?: AbortSignal): Promise<Uint8Array>;
}
