import type { Tensors } from '@madakv/onnx';
import type { ModelConfig, PreparedImage } from '../family.js';
import type { BlobSink, TensorSource, WeightFormat } from './graph.weights.js';

/**
 * A family's vision tower and projector as one graph. Its only output is `features` `[tokens, hidden]`: one row for each visual
 * token of the image, in the order of the placeholders. Where the decoder takes features of images in its first layers too (`visualLayers`
 * of its config), it is `[1 + visualLayers, tokens, hidden]`: what stands in the place of the placeholders, then what is added behind
 * each of those layers.
 */
export interface VisionGraph<Config extends ModelConfig = ModelConfig> {
  build(config: Config, tensors: TensorSource, blobs: BlobSink, format: WeightFormat): Uint8Array;
  /** What to feed for one image. */
  feeds(config: Config, image: PreparedImage): Tensors;
}
