import { DocumentError } from '@madakv/documents';
import type { PartContent } from './document.part.js';

/** Contents that are held, in bytes: as much as one document may be. */
const MOST_BYTES = 64 * 1024 ** 2;

/**
 * What became of the documents of requests that are prepared one after the other, as lines about one document are: none is fetched twice,
 * and what could not be fetched, or took too long to draw, holds up the first of them alone.
 */
export class KnownDocuments {
  private readonly contents = new Map<string, PartContent>();
  private readonly failures = new Map<string, DocumentError>();
  private bytes = 0;

  constructor(private readonly mostBytes = MOST_BYTES) {}

  /** @param name of the address and what is taken from there. @throws what `fetch` throws, or threw before */
  async content(name: string, fetch: () => Promise<PartContent>): Promise<PartContent> {
    const known = this.contents.get(name);
    if (known !== undefined) return known;
    const content = await this.attempt(`fetch ${name}`, fetch, () => true);
    this.bytes += content.size;
    for (const [oldest, { size }] of this.contents) {
      if (this.bytes <= this.mostBytes) break;
      this.contents.delete(oldest);
      this.bytes -= size;
    }
    this.contents.set(name, content);
    return content;
  }

  /** @param name of the content and what is drawn of it. @throws what `draw` throws, or threw before where it took too long */
  drawn<T>(name: string, draw: () => Promise<T>): Promise<T> {
    return this.attempt(`draw ${name}`, draw, ({ code }) => code === 'raster_timeout');
  }

  private async attempt<T>(
    name: string,
    work: () => Promise<T>,
    isKept: (error: DocumentError) => boolean,
  ): Promise<T> {
    const failure = this.failures.get(name);
    if (failure !== undefined) throw failure;
    try {
      return await work();
    } catch (error) {
      if (error instanceof DocumentError && isKept(error)) this.failures.set(name, error);
      throw error;
    }
  }
}
