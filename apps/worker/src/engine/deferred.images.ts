import { MadakvError } from '@madakv/contracts';
import type { DeferredImage, Engine } from '@madakv/engine';
import { ImageError, type PreparedImage } from '@madakv/models';
import type { WireRequest } from './engine.protocol.js';

/** What is used of the engine. */
type ImageEngine = Pick<Engine, 'knowsImage'> & {
  readonly model: Pick<Engine['model'], 'imageLayout' | 'prepareImage'>;
};

/**
 * A request's images as the engine takes them: each is decoded when its turn comes, and its pixels are dropped once it is encoded. A
 * page of 1,190 x 1,540 pixels takes 44 MB as a vision tower wants it, and all pages of a document would lie there until its answer
 * is complete. While one page is encoded the bytes of the next are on their way.
 */
export class DeferredImages {
  /** Encoded bytes that were asked for ahead, by index. */
  private readonly ahead = new Map<number, Promise<Uint8Array>>();

  /** @param imageBytes encoded bytes of one of the request's images; rejects when the request is cancelled */
  constructor(
    private readonly engine: ImageEngine,
    private readonly images: WireRequest['images'],
    private readonly imageBytes: (index: number) => Promise<Uint8Array>,
  ) {}

  /**
   * @param order indices into the request's images, as the prompt shows them
   * @throws MadakvError `invalid_document` for an image that the model does not take; so do `prepare`s, for one that cannot be decoded
   */
  inOrder(order: readonly number[]): DeferredImage[] {
    return order.map((index, place) => {
      const { key, width, height, part } = this.images[index];
      try {
        const layout = this.engine.model.imageLayout({ width, height });
        return { ...layout, key, prepare: () => this.prepare(index, order.at(place + 1)) };
      } catch (error) {
        throw withPart(error, part);
      }
    });
  }

  private async prepare(index: number, next: number | undefined): Promise<PreparedImage> {
    const bytes = this.bytesOf(index);
    this.ahead.delete(index);
    const content = await bytes;
    if (next !== undefined && !this.engine.knowsImage(this.images[next].key)) this.readAhead(next);
    try {
      // Whoever prepared the request has held it to the limits there are.
      return await this.engine.model.prepareImage(content, { maxPixels: Infinity });
    } catch (error) {
      throw withPart(error, this.images[index].part);
    }
  }

  private readAhead(index: number): void {
    const bytes = this.bytesOf(index);
    // Whoever wants it hears of it; where the request has ended before, nobody does.
    bytes.catch(() => undefined);
    this.ahead.set(index, bytes);
  }

  private bytesOf(index: number): Promise<Uint8Array> {
    return this.ahead.get(index) ?? this.imageBytes(index);
  }
}

/** Says which part of the request the image was; other errors stay as they are. */
function withPart(error: unknown, param: string): Error {
  if (!(error instanceof ImageError)) return error as Error;
  return new MadakvError('invalid_document', `${param}: ${error.message}`, {
    param,
    reason: 'bad_image',
    cause: error,
  });
}
