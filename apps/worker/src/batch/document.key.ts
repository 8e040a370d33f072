import { createHash, type Hash } from 'node:crypto';
import { passageOf, shortKey } from '../passage.key.js';

/** Hexadecimal SHA-256 of an uploaded file's content; undefined where there is no such file. */
export type FileDigest = (fileId: string) => Promise<string | undefined>;

/** A body as it came: what of it is not as it has to be names no document, and is refused where it is prepared. */
type Body = Readonly<Record<string, unknown>>;

/**
 * Names what a request's prompt begins with and other requests' may begin with as well: its documents, and what stands before the
 * message that has them; or a long passage. Requests of one name are put together; whether they can share their reading is decided
 * by the engine, on tokens and pixels.
 * @returns undefined where there is nothing worth sharing
 */
export async function documentKey(body: Body, digestOf: FileDigest): Promise<string | undefined> {
  const messages = objectsOf(body['messages']).map(({ role, content }) => ({ role, parts: partsOf(content) }));
  const first = messages.findIndex(({ parts }) => parts.some((part) => part['type'] !== 'text'));
  const hash = createHash('sha256');
  addJson(hash, [body['model'], (body['madakv'] as Body | null | undefined)?.['pages'] ?? null]);
  if (first < 0) {
    const passage = passageOf(JSON.stringify(messages));
    if (passage === undefined) return undefined;
    hash.update(passage);
  } else {
    addJson(hash, messages.slice(0, first));
    for (const { parts } of messages) {
      for (const part of parts) if (part['type'] !== 'text') hash.update(`${await identityOf(part, digestOf)}\n`);
    }
  }
  return shortKey(hash);
}

/** The same for the same content, however it is given, but for URLs, which are not fetched for this. */
async function identityOf(part: Body, digestOf: FileDigest): Promise<string> {
  const { file_data, file_id, file_url } = recordOf(part['file']);
  const url = recordOf(part['image_url'])['url'] ?? file_url;
  if (typeof file_id === 'string') return `sha256 ${(await digestOf(file_id)) ?? `of ${file_id}`}`;
  const data = typeof file_data === 'string' ? file_data : url;
  if (typeof data !== 'string') return JSON.stringify(part);
  if (data === url && !data.startsWith('data:')) return `url ${data}`;
  const bytes = Buffer.from(data.slice(data.indexOf(',') + 1), 'base64');
  return `sha256 ${createHash('sha256').update(bytes).digest('hex')}`;
}

function partsOf(content: unknown): Body[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : objectsOf(content);
}

function objectsOf(value: unknown): Body[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}

function recordOf(value: unknown): Body {
  return typeof value === 'object' && value !== null ? (value as Body) : {};
}

function addJson(hash: Hash, value: unknown): void {
  hash.update(`${JSON.stringify(value)}\n`);
}
