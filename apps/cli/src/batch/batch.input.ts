import type { ChatRequest, MadakvOptions } from '@madakv/contracts';

/** What the flags say about every request of a batch. */
export interface RequestFlags {
  readonly model?: string;
  readonly cacheRatio?: number;
  readonly policy?: string;
  readonly maxTokens?: number;
  readonly pages?: string;
}

/** A question about a document. */
export interface Question {
  readonly customId: string;
  /** As it stands in the sheet, relative to the folder of documents. */
  readonly file: string;
  /** Where it lies. */
  readonly path: string;
  readonly question: string;
  /** Further columns of the sheet, in its order. */
  readonly extras: readonly (readonly [column: string, cell: string])[];
  /** Why the document cannot be uploaded, as `code: message`. */
  readonly problem?: string;
}

/**
 * What a choice of pages means for several documents: each gives those that it has. Of one document a page that is not
 * there is a mistake.
 */
export function upTo(pages: string): string {
  return pages
    .split(',')
    .map((part) => (part.trim().endsWith('?') ? part : `${part}?`))
    .join(',');
}

/** Keys of a request that flags set; empty ones are left out. */
export function requestOverrides(flags: RequestFlags): Pick<ChatRequest, 'max_completion_tokens' | 'madakv'> {
  const madakv: MadakvOptions = {
    ...(flags.cacheRatio === undefined ? {} : { cache_ratio: flags.cacheRatio }),
    ...(flags.policy === undefined ? {} : { policy: flags.policy }),
    ...(flags.pages === undefined ? {} : { pages: flags.pages }),
  };
  return {
    ...(flags.maxTokens === undefined ? {} : { max_completion_tokens: flags.maxTokens }),
    ...(Object.keys(madakv).length === 0 ? {} : { madakv }),
  };
}

/** A question about an uploaded document: first the document, then what is asked, if it is asked here. */
export function documentRequest(
  model: string,
  fileId: string,
  question: string | undefined,
  flags: RequestFlags,
): ChatRequest {
  return {
    model,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'file', file: { file_id: fileId } },
          ...(question === undefined ? [] : [{ type: 'text' as const, text: question }]),
        ],
      },
    ],
    // A question about a document has one answer.
    temperature: 0,
    ...requestOverrides(flags),
  };
}
