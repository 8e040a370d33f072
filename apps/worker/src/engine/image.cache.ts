import type { PreparedImage } from '@madakv/models';

/**
 * Decoded images by key, the least recently used dropped first: several questions about a document decode its pages once.
 * Questions that come at the same time share one decoding.
 */
export class ImageCache {
  /** Least recently used first. */
  private readonly images = new Map<string, PreparedImage>();
  private readonly pending = new Map<string, Promise<PreparedImage>>();
  private bytes = 0;

  constructor(private readonly capacityBytes: number) {}

  /** The image of this key, by `prepare` where it is not here. One caller's failure is not another's. */
  async get(key: string, prepare: () => Promise<PreparedImage>): Promise<PreparedImage> {
    for (;;) {
      const known = this.images.get(key);
      if (known !== undefined) return this.touch(key, known);
      const others = this.pending.get(key);
      if (others === undefined) return this.load(key, prepare);
      const image = await others.catch(() => undefined);
      if (image !== undefined) return image;
    }
  }

  private touch(key: string, image: PreparedImage): PreparedImage {
    this.images.delete(key);
    this.images.set(key, image);
    return image;
  }

  private async load(key: string, prepare: () => Promise<PreparedImage>): Promise<PreparedImage> {
    const work = prepare();
    this.pending.set(key, work);
    try {
      const image = await work;
      this.remember(key, image);
      return image;
    } finally {
      this.pending.delete(key);
    }
  }

  private remember(key: string, image: PreparedImage): void {
    const { byteLength } = image.pixels;
    if (byteLength > this.capacityBytes) return;
    this.images.set(key, image);
    this.bytes += byteLength;
    for (const [oldest, { pixels }] of this.images) {
      if (this.bytes <= this.capacityBytes) return;
      this.images.delete(oldest);
      this.bytes -= pixels.byteLength;
    }
  }
}
