import { GraphBuilder, Tensor } from '@madakv/onnx';
import { GraphWeights } from '../graphs/graph.weights.js';
import type { VisionGraph } from '../graphs/vision.graph.js';
import { clipFeatures } from '../llava/llava.vision.graph.js';
import { NEW_LINE, type LlavaNextConfig } from './llava.next.config.js';
import { featureOrder } from './tiling.js';

/**
 * LLaVA's tower over the tiles of an image, whose features are then put in the order that the decoder sees.
 *
 * Inputs: `pixels` `[tiles, channels, size, size]`, `order` `[tokens]` int32 (row of the tiles' features; the one behind them all is a
 * new line).
 */
export const llavaNextVisionGraph: VisionGraph<LlavaNextConfig> = {
  build({ vision, decoder }, tensors, blobs, precision) {
    const graph = new GraphBuilder('llava_next-vision');
    const weights = new GraphWeights(graph, tensors, blobs, precision);
    const order = graph.input('order', 'int32', ['tokens']);
    const newLine = weights.tensor(NEW_LINE, [1, decoder.hiddenSize]);
    const rows = graph.op('Concat', [clipFeatures(graph, weights, vision), newLine], { axis: 0 });
    const features = graph.op('Gather', [rows, order], { axis: 0 });
    graph.output('features', features, 'float32', ['tokens', decoder.hiddenSize]);
    return graph.encode();
  },

  feeds({ vision }, image) {
    const order = featureOrder(image, vision.tiling.side);
    return {
      pixels: new Tensor('float32', image.pixels, image.dims),
      order: new Tensor('int32', order, [order.length]),
    };
  },
};
