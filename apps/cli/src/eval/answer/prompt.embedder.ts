import {
  EMBEDDING_WEIGHT,
  visionGraphOf,
  type OpenModel,
  type PreparedImage,
  type PreparedPrompt,
} from '@madakv/models';
import type { Session } from '@madakv/onnx';

/** Images whose features are kept: the pages of the document that is being asked about. */
const MOST_IMAGES = 64;

/** Turns prompts into decoder input; features of images seen last and rows of the embedding matrix are remembered. */
export class PromptEmbedder {
  private readonly features = new Map<string, Float32Array>();
  private readonly rows = new Map<number, Float32Array>();

  constructor(
    private readonly model: OpenModel,
    private readonly vision: Session,
  ) {}

  /** @returns `[tokens, hidden]` */
  async embed(prompt: PreparedPrompt): Promise<Float32Array> {
    const hidden = this.model.config.decoder.hiddenSize;
    const result = new Float32Array(prompt.inputIds.length * hidden);
    let next = 0;
    for (const { modality, start, end, image } of prompt.segments) {
      if (modality === 'visual') result.set(await this.encode(prompt.images[image ?? next++]), start * hidden);
      else for (let at = start; at < end; at++) result.set(this.row(prompt.inputIds[at]), at * hidden);
    }
    return result;
  }

  /** @returns `[hidden]` of one token */
  row(id: number): Float32Array {
    let row = this.rows.get(id);
    if (row === undefined) {
      row = this.model.weights.read(EMBEDDING_WEIGHT, { start: id, end: id + 1 });
      this.rows.set(id, row);
    }
    return row;
  }

  private async encode(image: PreparedImage): Promise<Float32Array> {
    const known = this.features.get(image.key);
    if (known !== undefined) return known;
    const { config } = this.model;
    const results = await this.vision.run(visionGraphOf(config.family).feeds(config, image));
    const features = results['features'].data as Float32Array;
    for (const oldest of this.features.keys()) {
      if (this.features.size < MOST_IMAGES) break;
      this.features.delete(oldest);
    }
    this.features.set(image.key, features);
    return features;
  }
}
