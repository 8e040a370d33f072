import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UploadPurpose } from '@madakv/contracts';

/** OpenAI's list. */
export function list(data: readonly unknown[]): { object: 'list'; data: readonly unknown[] } {
  return { object: 'list', data };
}

export function send(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  const error = { message, type: 'invalid_request_error', param: null, code };
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }));
}

/** A page of objects, newest first, as `limit` and `after` ask for it. */
export function pageOf(
  all: readonly { readonly id: string }[],
  query: URLSearchParams,
): { object: 'list'; data: readonly unknown[]; has_more: boolean } {
  const newest = [...all].reverse();
  const start = 1 + newest.findIndex(({ id }) => id === query.get('after'));
  const end = start + Number(query.get('limit') ?? 20);
  return { ...list(newest.slice(start, end)), has_more: end < newest.length };
}

export interface FormUpload {
  readonly filename: string;
  readonly content: Buffer;
  readonly purpose: UploadPurpose;
  readonly expiresAfterS: number | undefined;
}

/** What a form uploads. */
export async function uploadOf(request: IncomingMessage, body: Buffer): Promise<FormUpload> {
  const form = await formOf(request, body);
  const file = form.get('file');
  const purpose = form.get('purpose');
  const seconds = form.get('expires_after[seconds]');
  if (!(file instanceof File) || (purpose !== 'batch' && purpose !== 'user_data')) throw new Error('a bad upload');
  return {
    filename: file.name,
    content: Buffer.from(await file.arrayBuffer()),
    purpose,
    expiresAfterS: typeof seconds === 'string' ? Number(seconds) : undefined,
  };
}

/** The part of an upload that a form holds. */
export async function partOf(request: IncomingMessage, body: Buffer): Promise<Buffer> {
  const data = (await formOf(request, body)).get('data');
  if (!(data instanceof File)) throw new Error('a part without data');
  return Buffer.from(await data.arrayBuffer());
}

function formOf(request: IncomingMessage, body: Buffer): Promise<FormData> {
  const headers = { 'content-type': request.headers['content-type'] ?? '' };
  // Meant for small forms, which a test's are.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return new Response(new Uint8Array(body), { headers }).formData();
}
