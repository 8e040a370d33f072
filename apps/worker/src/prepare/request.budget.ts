import { MadakvError, type ChatRequest, type ContentPart } from '@madakv/contracts';
import { DocumentError, formatBytes, formatCount } from '@madakv/documents';
import type { DocumentPart } from './document.part.js';
import type { RequestLimits } from './prepare.settings.js';

/** What one request may still take in. */
export class RequestBudget {
  private pages = 0;
  private images = 0;
  private bytes = 0;

  constructor(private readonly limits: RequestLimits) {}

  /** Before a tokenizer spends its time on it. @throws MadakvError `invalid_request` */
  checkText(messages: ChatRequest['messages']): void {
    const { maxTextBytes } = this.limits;
    const bytes = messages
      .flatMap(({ content }) => (typeof content === 'string' ? [content] : textsOf(content ?? [])))
      .reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (bytes <= maxTextBytes) return;
    throw new MadakvError(
      'invalid_request',
      `messages: the request has ${formatBytes(bytes)} of text; the limit is ${formatBytes(maxTextBytes)}`,
      { param: 'messages' },
    );
  }

  /** @throws MadakvError `invalid_request` naming the first part that is one too many */
  checkParts(parts: readonly DocumentPart[]): void {
    const { maxDocuments, maxImages } = this.limits;
    const files = parts.filter(({ part }) => part.type === 'file');
    const images = parts.filter(({ part }) => part.type === 'image_url');
    if (files.length > maxDocuments) throw tooMany(files, maxDocuments, 'files');
    if (images.length > maxImages) throw tooMany(images, maxImages, 'images');
  }

  /** @throws DocumentError `document_too_large` */
  takeBytes(bytes: number): void {
    this.bytes += bytes;
    const { maxBytes } = this.limits;
    if (this.bytes <= maxBytes) return;
    throw new DocumentError(
      'document_too_large',
      `with this part the request holds ${formatBytes(this.bytes)} of documents; the limit is ${formatBytes(maxBytes)}`,
    );
  }

  /** @throws DocumentError `too_many_pages` */
  takePages(pages: number): void {
    this.pages += pages;
    const { maxPages } = this.limits;
    if (this.pages <= maxPages) return;
    throw new DocumentError(
      'too_many_pages',
      `with this part the request has ${formatCount(this.pages)} pages; the limit is ${formatCount(maxPages)}; ` +
        'madakv.pages chooses some',
    );
  }

  /** An image, in whichever kind of part. @throws MadakvError `invalid_request` */
  takeImage(path: string): void {
    this.images++;
    const { maxImages } = this.limits;
    if (this.images > maxImages) throw beyond(path, this.images, maxImages, 'images');
  }
}

function textsOf(content: readonly ContentPart[]): string[] {
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

function tooMany(parts: readonly DocumentPart[], limit: number, what: string): MadakvError {
  return beyond(parts[limit].path, parts.length, limit, what);
}

function beyond(path: string, count: number, limit: number, what: string): MadakvError {
  const message = `${path}: the request has ${formatCount(count)} ${what}; the limit is ${formatCount(limit)}`;
  return new MadakvError('invalid_request', message, { param: path });
}
