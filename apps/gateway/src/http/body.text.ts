import { MadakvError } from '@madakv/contracts';
import { TextDecoder } from 'node:util';

/** JSON is UTF-8 (RFC 8259, 8.1); these were in use before that, and some clients still name them. */
const CHARSETS = ['utf-8', 'utf8', 'us-ascii', 'utf-16', 'utf-16le', 'utf-16be', 'iso-8859-1'];

/**
 * The text of a JSON body, in the charset of its media type. Bytes that are no text are refused, never replaced: an answer
 * about other characters than were meant helps nobody.
 * @throws MadakvError unsupported_media_type, invalid_json
 */
export function decodeBody(bytes: Uint8Array, contentType: string | undefined): string {
  const charset = (/;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType ?? '')?.[1] ?? 'utf-8').toLowerCase();
  if (!CHARSETS.includes(charset)) {
    const message = `The charset ${JSON.stringify(charset.slice(0, 64))} is not supported; send UTF-8.`;
    throw new MadakvError('unsupported_media_type', message);
  }
  try {
    // What is ASCII is UTF-8 as well; an encoding of that name takes any byte, as Windows does.
    return new TextDecoder(charset === 'us-ascii' ? 'utf-8' : charset, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MadakvError('invalid_json', `not JSON: the bytes of the body are not ${charset}`, { cause });
  }
}
