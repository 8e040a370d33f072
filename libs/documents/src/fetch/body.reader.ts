import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { DocumentError } from '../document.error.js';
import { formatBytes } from '../quantity.format.js';

export interface BodyOptions {
  /** Largest content, over the wire and decompressed, in bytes. */
  maxBytes: number;
  /** Content-Length as written. */
  announcedBytes?: string | undefined;
  /** Content-Encoding as written. Compression is not asked for, yet some servers compress. */
  encoding?: string | undefined;
}

/**
 * Reads a body to its end, or up to the first byte beyond the limit.
 * @throws DocumentError `url_too_large`, `url_failed` for an encoding that cannot be read; the stream's own error
 */
export async function readBody(body: Readable, options: BodyOptions): Promise<Uint8Array> {
  const { maxBytes } = options;
  const announced = Number(options.announcedBytes ?? 0);
  if (announced > maxBytes) throw tooLarge(`is announced with ${formatBytes(announced)}`, maxBytes);
  const chunks: Buffer[] = [];
  let length = 0;
  // Both ends are counted; what decompresses to less than it was is cut off by its own length.
  for await (const chunk of decoded(limited(body, maxBytes), options.encoding)) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge('goes on', maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

async function* limited(body: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge('goes on', maxBytes);
    yield chunk;
  }
}

function decoded(body: AsyncIterable<Buffer>, encoding = 'identity'): AsyncIterable<Buffer> {
  const name = encoding.trim().toLowerCase();
  if (name === 'identity' || name === '') return body;
  const decoder = decoderOf(name);
  if (decoder === undefined) {
    throw new DocumentError('url_failed', `the content's encoding ${name.slice(0, 40)} is not known`, {
      retryable: false,
    });
  }
  // Errors of the source come out of the decoder.
  return pipeline(body, decoder, () => undefined);
}

function decoderOf(name: string) {
  if (name === 'gzip' || name === 'x-gzip') return createGunzip();
  if (name === 'deflate') return createInflate();
  if (name === 'br') return createBrotliDecompress();
  return undefined;
}

function tooLarge(how: string, maxBytes: number): DocumentError {
  return new DocumentError('url_too_large', `the content ${how} beyond the limit of ${formatBytes(maxBytes)}`);
}
