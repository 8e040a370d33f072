/** What the form says. */
export interface Question {
  readonly model: string;
  readonly text: string;
  readonly policy: string;
  /** Share of the cache, 0 to 1. */
  readonly ratio: number;
  /** A JSON schema: then its object is asked for, and the text stands before each field's question. */
  readonly schema?: unknown;
}

/** The body of a chat completion about a document that was uploaded; without one about nothing. */
export function bodyOf({ model, text, policy, ratio, schema }: Question, fileId: string | undefined): object {
  const content = [
    ...(fileId === undefined ? [] : [{ type: 'file', file: { file_id: fileId } }]),
    ...(text.trim() === '' ? [] : [{ type: 'text', text }]),
  ];
  const common = { model, messages: [{ role: 'user', content }] };
  if (schema === undefined) return { ...common, max_completion_tokens: 256, madakv: { policy, cache_ratio: ratio } };
  return {
    ...common,
    response_format: { type: 'json_schema', json_schema: { name: 'extraction', schema } },
    madakv: { extract: true, policy, cache_ratio: ratio },
  };
}

/** Where two texts begin to differ: the word, counted from 1, and how the texts stand until there; undefined where they are the same. */
export function firstDifference(a: string, b: string): { readonly word: number; readonly at: number } | undefined {
  if (a === b) return undefined;
  const pieces = (text: string): string[] => text.match(/\s*\S+/g) ?? [];
  const [one, other] = [pieces(a), pieces(b)];
  let at = 0;
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    if (one[i] !== other[i]) return { word: i + 1, at };
    at += one[i]?.length ?? 0;
  }
  return { word: one.length + 1, at };
}
