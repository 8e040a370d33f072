import { MadakvError } from '@madakv/contracts';
import { TextDecoder } from 'node:util';

/**
 * The text of a JSON body: UTF-8, or what its media type names. Bytes that are no text are refused, never replaced: an
 * answer about other characters than were meant helps nobody.
 * @throws MadakvError unsupported_media_type, invalid_json
 */
export function decodeBody(bytes: Uint8Array, contentType: string | undefined): string {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType ?? '')?.[1] ?? 'utf-8';
  const decoder = decoderOf(charset);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new MadakvError('invalid_json', `not JSON: the bytes of the body are not ${decoder.encoding}`, { cause });
  }
}

function decoderOf(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch (cause) {
    const message = `The charset ${JSON.stringify(charset.slice(0, 64))} is not known; send UTF-8.`;
    throw new MadakvError('unsupported_media_type', message, { cause });
  }
}
