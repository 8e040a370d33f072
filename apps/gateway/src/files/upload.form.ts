import { MadakvError } from '@madakv/contracts';
import { StorageError } from '@madakv/storage';
import { DocumentError } from '@madakv/documents';
import busboy from 'busboy';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { orGiveUp } from '../http/stalled.connections.js';

/** Limits of a form: text fields, and bytes of each. */
const MAX_FIELDS = 20;
const MAX_FIELD_BYTES = 1_024;

export interface FormFile {
  readonly content: Readable;
  readonly filename: string;
  /** The fields that stood before the file; the others come later. */
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * Reads a multipart form of text fields and one file, whose content is never held as a whole.
 * @param onFile consumes the content; what it throws ends the reading
 * @returns the fields, wherever they stood, and what `onFile` returned
 * @throws MadakvError invalid_request, unsupported_media_type; cancelled when the caller hangs up; request_timeout when it
 *   sends no more
 * @param key where the file stands
 */
export async function readForm<T>(
  request: IncomingMessage,
  onFile: (file: FormFile) => Promise<T>,
  key = 'file',
): Promise<{ readonly fields: ReadonlyMap<string, string>; readonly file: T }> {
  const form = openForm(request);
  const fields = new Map<string, string>();
  let stored: Promise<T> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const refuse = (message: string, param?: string): void => {
        reject(new MadakvError('invalid_request', message, param === undefined ? {} : { param }));
      };
      form.on('field', (name, value, { nameTruncated, valueTruncated }) => {
        if (nameTruncated || valueTruncated) {
          refuse(`A field of the form has more than ${MAX_FIELD_BYTES} bytes.`, name);
        } else fields.set(name, value);
      });
      form.on('file', (name, content, { filename }) => {
        // A form that breaks off ends the content with an error, maybe before anyone reads it: it must not go unheard.
        content.on('error', () => undefined);
        if (name !== key) {
          content.resume();
          refuse(`The form has a file in "${name.slice(0, 64)}"; expected one in "${key}".`, key);
          return;
        }
        stored = onFile({ content, filename: filename || '', fields });
        stored.catch((error: unknown) => {
          reject(known(error) ?? malformed(error));
        });
      });
      form.on('filesLimit', () => {
        refuse('The form has more than one file; the limit is 1.', key);
      });
      form.on('fieldsLimit', () => {
        refuse(`The form has more than ${MAX_FIELDS} fields.`);
      });
      form.on('error', (error) => {
        reject(malformed(error));
      });
      form.on('close', resolve);
      orGiveUp(request, reject);
      request.on('close', () => {
        if (!request.complete) reject(new MadakvError('cancelled', 'the caller hung up'));
      });
      request.pipe(form);
    });
    if (stored === undefined) throw new MadakvError('invalid_request', 'The form has no file.', { param: key });
    return { fields, file: await stored };
  } catch (error) {
    request.unpipe(form);
    form.destroy();
    // What is still on its way is thrown away, so that the caller gets to read the answer.
    request.resume();
    await stored?.catch(() => undefined);
    throw error;
  }
}

function openForm(request: IncomingMessage): busboy.Busboy {
  if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')) {
    throw new MadakvError('unsupported_media_type', 'The body must be a form: Content-Type: multipart/form-data.');
  }
  try {
    return busboy({
      headers: request.headers,
      defParamCharset: 'utf8',
      limits: { files: 1, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES, fieldNameSize: 128 },
    });
  } catch (error) {
    throw malformed(error);
  }
}

/** What the consumer of the file has to say; anything else is busboy's, who ends a broken file's stream with it. */
function known(error: unknown): Error | undefined {
  const isKnown = error instanceof MadakvError || error instanceof StorageError || error instanceof DocumentError;
  return isKnown ? error : undefined;
}

function malformed(cause: unknown): MadakvError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MadakvError('invalid_request', `The form cannot be read: ${why}.`, { cause });
}

/** Bytes that a form will have, some more than its file; 1 where nobody says. */
export function contentLength({ headers }: Pick<IncomingMessage, 'headers'>): number {
  const said = Number(headers['content-length']);
  return Number.isSafeInteger(said) && said > 0 ? said : 1;
}
