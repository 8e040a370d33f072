import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ImageError, type ChatMessage, type OpenModel, type PreparedImage } from '@madakv/models';
import { InputFileError } from './input.file.error.js';
import type { RequestSource } from './request.source.js';
import { fileProblem } from './text.file.js';

const SCHEME = /^([a-z][a-z0-9+.-]+):/i;

/**
 * Reads and prepares all images of the messages, in order. A URL may be a data URL, a file: URL or a path.
 * @throws InputFileError naming the part of the request and what is wrong with its image
 */
export async function loadImages(
  messages: readonly ChatMessage[],
  source: RequestSource,
  model: Pick<OpenModel, 'prepareImage'>,
  signal?: AbortSignal,
): Promise<PreparedImage[]> {
  const images: PreparedImage[] = [];
  for (const { url, path } of imageParts(messages)) {
    signal?.throwIfAborted();
    const where = `${source.name}: ${path}`;
    const bytes = await readImage(url, source.folder, where);
    try {
      images.push(await model.prepareImage(bytes));
    } catch (cause) {
      if (!(cause instanceof ImageError)) throw cause;
      throw new InputFileError(`${where}: ${shortened(url)}: ${cause.message}`, { cause });
    }
  }
  return images;
}

function imageParts(messages: readonly ChatMessage[]): { url: string; path: string }[] {
  return messages.flatMap(({ content }, message) =>
    Array.isArray(content)
      ? content.flatMap((part, index) =>
          part.type === 'image_url'
            ? [{ url: part.image_url.url, path: `messages.${message}.content.${index}.image_url.url` }]
            : [],
        )
      : [],
  );
}

async function readImage(url: string, folder: string, where: string): Promise<Uint8Array> {
  const scheme = SCHEME.exec(url)?.[1].toLowerCase();
  if (scheme === 'data') return decodeDataUrl(url, where);
  if (scheme === 'http' || scheme === 'https') {
    throw new InputFileError(
      `${where}: ${shortened(url)}: this command fetches nothing from the network; ` +
        'save the image and give its path, a file: URL or a data URL',
    );
  }
  // A scheme of one letter would be a drive.
  if (scheme !== undefined && scheme !== 'file') {
    throw new InputFileError(`${where}: ${shortened(url)}: a URL must be data: or file:, or a path`);
  }
  try {
    return await readFile(scheme === 'file' ? fileURLToPath(url) : resolve(folder, url));
  } catch (cause) {
    throw new InputFileError(`${where}: ${shortened(url)}: ${fileProblem(cause)}`, { cause });
  }
}

/** RFC 2397: `data:[type][;base64],data`. */
function decodeDataUrl(url: string, where: string): Uint8Array {
  const comma = url.indexOf(',');
  if (comma === -1) throw new InputFileError(`${where}: ${shortened(url)}: a data URL needs a comma before its data`);
  const data = url.slice(comma + 1);
  if (/;\s*base64\s*$/i.test(url.slice(0, comma))) return Buffer.from(data, 'base64');
  const binary = data.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(binary, 'latin1');
}

function shortened(url: string): string {
  return url.length > 80 ? `${url.slice(0, 60)}... (${url.length} characters)` : url;
}
