import { visionGraphOf, type ImageLayout, type ModelConfig, type PreparedImage } from '@madakv/models';
import type { Session } from '@madakv/onnx';

/**
 * An image whose pixels are made when the vision tower wants them, and not kept: a page's pixels take twenty times the memory of its
 * features, so that a long document must never have all of its pages decoded at once.
 */
export interface DeferredImage extends ImageLayout {
  /** The same key always names the same image. */
  readonly key: string;
  /** Not called where the image's features are known. What it throws ends the request. */
  readonly prepare: () => Promise<PreparedImage>;
}

export type PromptImage = PreparedImage | DeferredImage;

/**
 * Turns images into visual tokens, and remembers the features of the images seen last: several questions about one
 * document pay for its pages once.
 */
export class VisionEncoder {
  /** Features by image key, least recently used first. */
  private readonly features = new Map<string, Float32Array>();
  private bytes = 0;
  /** The one image whose pixels are made ahead of its turn. */
  private ahead: { readonly image: DeferredImage; readonly prepared: Promise<PreparedImage> } | undefined;

  constructor(
    private readonly config: ModelConfig,
    /** Absent for a model that reads text alone. */
    private readonly session: Session | undefined,
    private readonly capacityBytes: number,
  ) {}

  /** Bytes of the features that are kept. */
  get featureBytes(): number {
    return this.bytes;
  }

  knows(key: string): boolean {
    return this.features.has(key);
  }

  /**
   * Begins to make the pixels of the image that comes next, so that the vision tower need not wait for them. One image is made ahead at a
   * time: another one takes its place.
   */
  prefetch(image: PromptImage): void {
    if (!('prepare' in image) || this.knows(image.key) || this.ahead?.image.key === image.key) return;
    const prepared = image.prepare();
    // Whoever wants it hears of it; where nobody does any more, nobody has to.
    prepared.catch(() => undefined);
    this.ahead = { image, prepared };
  }

  /** Lets go of what was made ahead: nobody waits for it any more. */
  forgetAhead(): void {
    this.ahead = undefined;
  }

  /**
   * @param next the image that is wanted after it, if any
   * @returns `[image.tokens, hidden]`, of a decoder with `visualLayers` `[1 + visualLayers, image.tokens, hidden]`
   * @throws Error where the model has no vision tower
   */
  async encode(image: PromptImage, next?: PromptImage): Promise<Float32Array> {
    const known = this.features.get(image.key);
    if (known !== undefined) {
      this.features.delete(image.key);
      this.features.set(image.key, known);
      return known;
    }
    const prepared = 'prepare' in image ? await this.prepare(image) : image;
    if (next !== undefined) this.prefetch(next);
    if (this.session === undefined) throw new Error(`a model of ${this.config.family} has no vision tower`);
    const results = await this.session.run(visionGraphOf(this.config.family).feeds(this.config, prepared));
    const features = results['features'].data as Float32Array;
    this.remember(image.key, features);
    return features;
  }

  private async prepare(image: DeferredImage): Promise<PreparedImage> {
    const { ahead } = this;
    if (ahead?.image.key !== image.key) return image.prepare();
    this.ahead = undefined;
    try {
      return await ahead.prepared;
    } catch (error) {
      // Made for another request, which may have been cancelled meanwhile.
      if (ahead.image !== image) return image.prepare();
      throw error;
    }
  }

  private remember(key: string, features: Float32Array): void {
    if (features.byteLength > this.capacityBytes) return;
    this.features.set(key, features);
    this.bytes += features.byteLength;
    for (const [oldest, values] of this.features) {
      if (this.bytes <= this.capacityBytes) return;
      this.features.delete(oldest);
      this.bytes -= values.byteLength;
    }
  }
}
