import { visionGraphOf, type ModelConfig, type PreparedImage } from '@madakv/models';
import type { Session } from '@madakv/onnx';

/**
 * Turns images into visual tokens, and remembers the features of the images seen last: several questions about one
 * document pay for its pages once.
 */
export class VisionEncoder {
  /** Features by image key, least recently used first. */
  private readonly features = new Map<string, Float32Array>();
  private bytes = 0;

  constructor(
    private readonly config: ModelConfig,
    private readonly session: Session,
    private readonly capacityBytes: number,
  ) {}

  /** @returns `[image.tokens, hidden]` */
  async encode(image: PreparedImage): Promise<Float32Array> {
    const known = this.features.get(image.key);
    if (known !== undefined) {
      this.features.delete(image.key);
      this.features.set(image.key, known);
      return known;
    }
    const results = await this.session.run(visionGraphOf(this.config.family).feeds(this.config, image));
    const features = results['features'].data as Float32Array;
    this.remember(image.key, features);
    return features;
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
