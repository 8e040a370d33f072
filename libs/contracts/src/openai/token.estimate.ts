import { extractionPlan } from '@madakv/extraction';

/** Tokens of an answer where the request names no limit. */
export const DEFAULT_ANSWER_TOKENS = 256;

/** What a token is taken for before anybody has read the request. docs/api.md has the rule. */
export const ESTIMATE = {
  /** UTF-8 bytes of text a token. */
  textBytes: 4,
  /** Tokens of a page or an image where the model does not say it: one of A4 at 140 dots an inch, as Qwen2.5-VL sees it. */
  pageTokens: 2_400,
  /** Bytes of a document a page. */
  pageBytes: 100_000,
  /** Pages of one document at most, as its bytes may be pictures. */
  maxPages: 100,
} as const;

/** What is known of an upload. */
export interface UploadFacts {
  readonly bytes: number;
  readonly filename: string;
}

export interface EstimateContext {
  /** Positions of the model, which prompt and answer share; absent: as many as they like. */
  readonly maxPositions?: number | undefined;
  /** Of a page, or an image. */
  readonly pageTokens?: number | undefined;
  /** @returns undefined for an upload that is not there */
  readonly uploadOf: (fileId: string) => Promise<UploadFacts | undefined>;
  /** As `fieldTokens`, which it is where absent: for who has compiled the schema before. */
  readonly fieldsOf?: ((schema: unknown) => readonly number[] | undefined) | undefined;
}

/** A body as it came: what of it is not as it has to be counts nothing, and is refused where it is checked. */
type Body = Readonly<Record<string, unknown>>;

/**
 * How many tokens a request may come to, prompt and answer, before its documents are read: what is reserved of a tenant's tokens
 * until the true figure is there. It may be too small, as nobody knows how many pages lie behind a URL.
 * @param body of a chat completion, checked or not
 */
export async function estimateTokens(
  body: Body,
  { maxPositions = Infinity, pageTokens = ESTIMATE.pageTokens, uploadOf, fieldsOf = fieldTokens }: EstimateContext,
): Promise<number> {
  const madakv = recordOf(body['madakv']);
  const chosen = pagesChosen(madakv['pages']);
  let prompt = 0;
  for (const message of objectsOf(body['messages'])) {
    const { content } = message;
    if (typeof content === 'string') prompt += textTokens(content);
    for (const part of objectsOf(content)) {
      if (part['type'] === 'text') prompt += typeof part['text'] === 'string' ? textTokens(part['text']) : 0;
      else prompt += pageTokens * Math.min(chosen, await pagesOf(part, uploadOf));
    }
  }
  const asked = [body['max_completion_tokens'], body['max_tokens']].find(isCount);
  const schema = recordOf(recordOf(body['response_format'])['json_schema'])['schema'];
  const answers = madakv['extract'] === true ? fieldsOf(schema) : undefined;
  const each = answers?.map((most) => Math.min(most, asked ?? Infinity)) ?? [asked ?? DEFAULT_ANSWER_TOKENS];
  return each.reduce((sum, answer) => sum + Math.min(prompt + answer, maxPositions), 0);
}

/** Uploads that a request names. @param body of a chat completion, checked or not */
export function uploadIdsOf(body: Body): string[] {
  return objectsOf(body['messages'])
    .flatMap(({ content }) => objectsOf(content))
    .map((part) => recordOf(part['file'])['file_id'])
    .filter((id) => typeof id === 'string');
}

/**
 * Most tokens of the answer to each field of an extraction; undefined where it is none.
 * @param isChecked that the schema can be obeyed, which need not be found out again
 */
export function fieldTokens(schema: unknown, isChecked = false): readonly number[] | undefined {
  try {
    const { fields } = extractionPlan(schema as Parameters<typeof extractionPlan>[0], { isChecked });
    return fields.map(({ maxTokens }) => maxTokens);
  } catch {
    // It is refused where it is checked.
    return undefined;
  }
}

function textTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / ESTIMATE.textBytes);
}

/** What is one image for certain. All else may have pages, as many as its bytes leave room for. */
const IMAGE_NAME = /\.(png|jpe?g|webp|gif)$/i;
/** First bytes of PNG, JPEG, GIF and WebP in base64. */
const IMAGE_HEADS = ['iVBORw0KGgo', '/9j/', 'R0lG', 'UklGR'];

async function pagesOf(part: Body, uploadOf: EstimateContext['uploadOf']): Promise<number> {
  const { file_data: data, file_id: id } = recordOf(part['file']);
  if (typeof id === 'string') {
    const upload = await uploadOf(id);
    return upload === undefined || IMAGE_NAME.test(upload.filename) ? 1 : pagesOfBytes(upload.bytes);
  }
  if (typeof data !== 'string') return 1;
  const start = data.startsWith('data:') ? data.indexOf(',') + 1 : 0;
  if (IMAGE_HEADS.some((head) => data.startsWith(head, start))) return 1;
  return pagesOfBytes((3 / 4) * (data.length - start));
}

function pagesOfBytes(bytes: number): number {
  return Math.min(ESTIMATE.maxPages, Math.max(1, Math.ceil(bytes / ESTIMATE.pageBytes)));
}

/** How many pages a choice like `1-3,7` leaves at most of each document; Infinity where a span of it is open. */
function pagesChosen(pages: unknown): number {
  if (typeof pages !== 'string') return Infinity;
  const counts = pages.split(',').map((part) => {
    const span = /^\s*(\d{1,9})\s*(?:-\s*(\d{1,9}))?\s*\??\s*$/.exec(part);
    if (span === null) return Infinity;
    const [first, last = first] = [span[1], span.at(2)];
    return Math.max(1, Number(last) - Number(first) + 1);
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function objectsOf(value: unknown): Body[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}

function recordOf(value: unknown): Body {
  return typeof value === 'object' && value !== null ? (value as Body) : {};
}
