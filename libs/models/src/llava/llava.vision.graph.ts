import { float, GraphBuilder, Tensor, type Value } from '@madakv/onnx';
import { GraphWeights } from '../graphs/graph.weights.js';
import { activation, tiledAttention } from '../graphs/layers.js';
import type { VisionGraph } from '../graphs/vision.graph.js';
import type { ClipVisionConfig, LlavaConfig } from './llava.vision.config.js';

/** CLIP's vision transformer and LLaVA's projector for one image. Input: `pixels` `[1, channels, size, size]`. */
export const llavaVisionGraph: VisionGraph<LlavaConfig> = {
  build(config, tensors, blobs, precision) {
    const graph = new GraphBuilder('llava-vision');
    const weights = new GraphWeights(graph, tensors, blobs, precision);
    const features = clipFeatures(graph, weights, config.vision);
    graph.output('features', features, 'float32', ['tokens', config.decoder.hiddenSize]);
    return graph.encode();
  },

  feeds: (_config, image) => ({ pixels: new Tensor('float32', image.pixels, [1, ...image.dims]) }),
};

/**
 * Tower and projector for any number of tiles, the graph's input `pixels` `[tiles, channels, size, size]`. Layers after the last one
 * that the projector reads are left out.
 * @returns `[tiles * tokens, hidden]` of the decoder's size, tile after tile
 */
export function clipFeatures(graph: GraphBuilder, weights: GraphWeights, vision: ClipVisionConfig): Value {
  const { channels, imageSize } = vision;
  const pixels = graph.input('pixels', 'float32', ['tiles', channels, imageSize, imageSize]);
  let x = embed(graph, weights, vision, pixels);
  const states = [x];
  for (let layer = 0; layer < Math.max(...vision.featureLayers); layer++) {
    x = block(graph, weights, vision, layer, x);
    states.push(x);
  }
  const chosen = vision.featureLayers.map((layer) => states[layer]);
  const joined = chosen.length === 1 ? chosen[0] : graph.op('Concat', chosen, { axis: 1 });
  const kept = vision.keepClassToken ? joined : withoutClass(graph, vision, joined);
  const linear = (value: Value, part: string): Value =>
    weights.linear(value, [`projector.${part}.weight`], vision.projectorBias ? [`projector.${part}.bias`] : []);
  return linear(activation(graph, vision.projectorAct, linear(kept, 'linear_1')), 'linear_2');
}

/** Rows of a tile: its class token, then its patches. */
function rowsOfTile({ imageSize, patchSize }: ClipVisionConfig): number {
  return 1 + Math.floor(imageSize / patchSize) ** 2;
}

function withoutClass(graph: GraphBuilder, vision: ClipVisionConfig, x: Value): Value {
  const width = vision.hiddenSize * vision.featureLayers.length;
  const tiles = graph.op('Reshape', [x, graph.ints(-1, rowsOfTile(vision), width)]);
  const patches = graph.op('Slice', [tiles, graph.ints(1), graph.ints(Number.MAX_SAFE_INTEGER), graph.ints(1)]);
  return graph.op('Reshape', [patches, graph.ints(-1, width)]);
}

/** @returns `[tiles * rows, hidden]`, each tile's class token first */
function embed(graph: GraphBuilder, weights: GraphWeights, vision: ClipVisionConfig, pixels: Value): Value {
  const kernel = weights.tensor('vision.embeddings.patch_embedding.weight');
  const grid = graph.op('Conv', [pixels, kernel], {
    strides: [vision.patchSize, vision.patchSize],
    kernel_shape: [vision.patchSize, vision.patchSize],
  });
  const rows = rowsOfTile(vision);
  const columns = graph.op('Reshape', [grid, graph.ints(-1, vision.hiddenSize, rows - 1)]);
  const patches = graph.op('Transpose', [columns], { perm: [0, 2, 1] });
  const classToken = weights.tensor('vision.embeddings.class_embedding', [1, 1, vision.hiddenSize]);
  const tiles = graph.op('Shape', [pixels], { start: 0, end: 1 });
  const shape = graph.op('Concat', [tiles, graph.ints(1, vision.hiddenSize)], { axis: 0 });
  const classes = graph.op('Expand', [classToken, shape]);
  const positions = weights.tensor('vision.embeddings.position_embedding.weight');
  const embedded = graph.op('Add', [graph.op('Concat', [classes, patches], { axis: 1 }), positions]);
  const flat = graph.op('Reshape', [embedded, graph.ints(-1, vision.hiddenSize)]);
  return layerNorm(graph, weights, vision, 'pre_layrnorm', flat);
}

function block(graph: GraphBuilder, weights: GraphWeights, vision: ClipVisionConfig, layer: number, x: Value): Value {
  const name = (part: string): string => `encoder.layers.${layer}.${part}`;
  const linear = (value: Value, ...parts: string[]): Value =>
    weights.linear(
      value,
      parts.map((part) => `vision.${name(part)}.weight`),
      parts.map((part) => `vision.${name(part)}.bias`),
    );
  const width = vision.heads * vision.headDim;
  const normed = layerNorm(graph, weights, vision, name('layer_norm1'), x);
  const joined = linear(normed, 'self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj');
  const [q, k, v] = graph.ops('Split', [joined, graph.ints(width, width, width)], {
    attributes: { axis: 1 },
    outputCount: 3,
  });
  const attended = linear(tiledAttention(graph, [q, k, v], rowsOfTile(vision), vision), 'self_attn.out_proj');
  const residual = graph.op('Add', [x, attended]);
  const inner = linear(layerNorm(graph, weights, vision, name('layer_norm2'), residual), 'mlp.fc1');
  return graph.op('Add', [residual, linear(activation(graph, vision.hiddenAct, inner), 'mlp.fc2')]);
}

function layerNorm(graph: GraphBuilder, weights: GraphWeights, vision: ClipVisionConfig, name: string, x: Value): Value {
  const part = (suffix: string): Value => weights.tensor(`vision.${name}.${suffix}`);
  return graph.op('LayerNormalization', [x, part('weight'), part('bias')], {
    axis: -1,
    epsilon: float(vision.layerNormEps),
  });
}
