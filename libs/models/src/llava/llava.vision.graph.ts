import { float, GraphBuilder, Tensor, type Value } from '@madakv/onnx';
import { GraphWeights } from '../graphs/graph.weights.js';
import { activation, fullAttention } from '../graphs/layers.js';
import type { VisionGraph } from '../graphs/vision.graph.js';
import type { ClipVisionConfig, LlavaConfig } from './llava.vision.config.js';

/**
 * CLIP's vision transformer and LLaVA's projector for one image. Input: `pixels` `[1, channels, size, size]`. Layers after the
 * last one that the projector reads are left out.
 */
export const llavaVisionGraph: VisionGraph<LlavaConfig> = {
  build(config, tensors, blobs, precision) {
    const vision = config.vision;
    const graph = new GraphBuilder('llava-vision');
    const weights = new GraphWeights(graph, tensors, blobs, precision);
    const pixels = graph.input('pixels', 'float32', [1, vision.channels, vision.imageSize, vision.imageSize]);
    let x = embed(graph, weights, vision, pixels);
    const states = [x];
    for (let layer = 0; layer < Math.max(...vision.featureLayers); layer++) {
      x = block(graph, weights, vision, layer, x);
      states.push(x);
    }
    const chosen = vision.featureLayers.map((layer) => states[layer]);
    const joined = chosen.length === 1 ? chosen[0] : graph.op('Concat', chosen, { axis: 1 });
    const kept = vision.keepClassToken
      ? joined
      : graph.op('Slice', [joined, graph.ints(1), graph.ints(Number.MAX_SAFE_INTEGER), graph.ints(0)]);
    const linear = (value: Value, part: string): Value =>
      weights.linear(
        value,
        [`projector.${part}.weight`],
        vision.projectorBias ? [`projector.${part}.bias`] : [],
      );
    const features = linear(activation(graph, vision.projectorAct, linear(kept, 'linear_1')), 'linear_2');
    graph.output('features', features, 'float32', ['tokens', config.decoder.hiddenSize]);
    return graph.encode();
  },

  feeds: (_config, image) => ({ pixels: new Tensor('float32', image.pixels, [1, ...image.dims]) }),
};

/** @returns `[1 + patches, hidden]`, class token first */
function embed(graph: GraphBuilder, weights: GraphWeights, vision: ClipVisionConfig, pixels: Value): Value {
  const kernel = weights.tensor('vision.embeddings.patch_embedding.weight');
  const grid = graph.op('Conv', [pixels, kernel], {
    strides: [vision.patchSize, vision.patchSize],
    kernel_shape: [vision.patchSize, vision.patchSize],
  });
  const columns = graph.op('Reshape', [grid, graph.ints(vision.hiddenSize, -1)]);
  const patches = graph.op('Transpose', [columns], { perm: [1, 0] });
  const classToken = weights.tensor('vision.embeddings.class_embedding', [1, vision.hiddenSize]);
  const positions = weights.tensor('vision.embeddings.position_embedding.weight');
  const embedded = graph.op('Add', [graph.op('Concat', [classToken, patches], { axis: 0 }), positions]);
  return layerNorm(graph, weights, vision, 'pre_layrnorm', embedded);
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
  const attended = linear(fullAttention(graph, q, k, v, vision.heads), 'self_attn.out_proj');
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
