import { send } from '../api/http.js';
import type { FileObject } from '../api/types.js';

/** What the page uploads goes by itself after a day. */
const EXPIRES_AFTER_S = 86_400;

/** What the gateway takes as a document. */
export const ACCEPTED = '.pdf,.png,.jpg,.jpeg,.webp,.gif,.tif,.tiff';

/** @throws ApiError */
export async function uploadDocument(file: File, signal: AbortSignal): Promise<FileObject> {
  const form = new FormData();
  form.set('purpose', 'user_data');
  form.set('expires_after[anchor]', 'created_at');
  form.set('expires_after[seconds]', String(EXPIRES_AFTER_S));
  form.set('file', file, file.name);
  return (await (await send('/v1/files', { method: 'POST', body: form, signal })).json()) as FileObject;
}
