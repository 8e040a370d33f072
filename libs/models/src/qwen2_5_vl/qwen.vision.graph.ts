import { GraphBuilder, Tensor, type Value } from '@madakv/onnx';
import { GraphWeights } from '../graphs/graph.weights.js';
import { fullAttention, rmsNorm } from '../graphs/layers.js';
import type { VisionGraph } from '../graphs/vision.graph.js';
import { visionLayout } from './vision.layout.js';
import type { QwenConfig, QwenVisionConfig } from './qwen.vision.config.js';

/**
 * Qwen2.5-VL's vision tower. Patches are put in window order once; windows at the right and lower edge are padded to full
 * size and masked, so that all windows are one batch.
 *
 * Inputs: `pixels` `[patches, values]`, `order` `[patches]` int32 (patch at each place of the window order), `cos`, `sin`
 * `[1, patches, headDim / 2]` (in window order), `window` `[windows * size]` int32 (place of each window's patches, padding repeats place 0),
 * `mask` `[windows, 1, 1, size]` (0, or a large negative number for padding), `unpad` `[patches]` int32 (row of the padded windows for each
 * place), `place` `[cells]` int32 (place of each merged cell in the window order).
 */
export const qwenVisionGraph: VisionGraph<QwenConfig> = {
  build(config, tensors, blobs, precision) {
    const vision = config.vision;
    const graph = new GraphBuilder('qwen2_5_vl-vision');
    const weights = new GraphWeights(graph, tensors, blobs, precision);
    const inputs = declareInputs(graph, vision);
    const patches = weights.linear(inputs.pixels, ['vision.patch_embed.proj.weight']);
    let x = graph.op('Gather', [patches, inputs.order], { axis: 0 });
    for (let layer = 0; layer < vision.layers; layer++) x = block(graph, weights, vision, layer, x, inputs);
    const normed = rmsNorm(graph, x, weights.tensor('vision.merger.ln_q.weight'), vision.rmsNormEps);
    const merged = graph.op('Reshape', [normed, graph.ints(-1, vision.hiddenSize * vision.mergeSize ** 2)]);
    const linear = (value: Value, index: number): Value =>
      weights.linear(value, [`vision.merger.mlp.${index}.weight`], [`vision.merger.mlp.${index}.bias`]);
    const features = linear(graph.op('Gelu', [linear(merged, 0)]), 2);
    const ordered = graph.op('Gather', [features, inputs.place], { axis: 0 });
    graph.output('features', ordered, 'float32', ['cells', vision.outputSize]);
    return graph.encode();
  },

  feeds(config, image) {
    const layout = visionLayout(image.patchGrid, config.vision);
    const half = config.vision.headDim / 2;
    const ints = (data: Int32Array): Tensor => new Tensor('int32', data, [data.length]);
    return {
      pixels: new Tensor('float32', image.pixels, image.dims),
      order: ints(layout.patchOrder),
      cos: new Tensor('float32', layout.cos, [1, layout.patches, half]),
      sin: new Tensor('float32', layout.sin, [1, layout.patches, half]),
      window: ints(layout.windowIndex),
      mask: new Tensor('float32', layout.windowMask, [layout.windows, 1, 1, layout.windowPatches]),
      unpad: ints(layout.unpadIndex),
      place: ints(layout.cellPlace),
    };
  },
};

interface VisionInputs {
  readonly pixels: Value;
  readonly order: Value;
  readonly cos: Value;
  readonly sin: Value;
  readonly window: Value;
  readonly mask: Value;
  readonly unpad: Value;
  readonly place: Value;
}

function declareInputs(graph: GraphBuilder, vision: QwenVisionConfig): VisionInputs {
  const values = vision.channels * vision.temporalPatchSize * vision.patchSize ** 2;
  const size = (vision.windowCells * vision.mergeSize) ** 2;
  const angles = [1, 'patches', vision.headDim / 2] as const;
  return {
    pixels: graph.input('pixels', 'float32', ['patches', values]),
    order: graph.input('order', 'int32', ['patches']),
    cos: graph.input('cos', 'float32', angles),
    sin: graph.input('sin', 'float32', angles),
    window: graph.input('window', 'int32', ['padded']),
    mask: graph.input('mask', 'float32', ['windows', 1, 1, size]),
    unpad: graph.input('unpad', 'int32', ['patches']),
    place: graph.input('place', 'int32', ['cells']),
  };
}

function block(
  graph: GraphBuilder,
  weights: GraphWeights,
  vision: QwenVisionConfig,
  layer: number,
  x: Value,
  inputs: VisionInputs,
): Value {
  const name = (part: string): string => `vision.blocks.${layer}.${part}`;
  const linear = (value: Value, part: string): Value =>
    weights.linear(value, [name(`${part}.weight`)], [name(`${part}.bias`)]);
  const width = vision.heads * vision.headDim;

  const normed = rmsNorm(graph, x, weights.tensor(name('norm1.weight')), vision.rmsNormEps);
  const [q, k, v] = graph.ops('Split', [linear(normed, 'attn.qkv'), graph.ints(width, width, width)], {
    attributes: { axis: 1 },
    outputCount: 3,
  });
  const rotate = (value: Value): Value => {
    const batched = graph.op('Unsqueeze', [value, graph.ints(0)]);
    const turned = graph.op('RotaryEmbedding', [batched, inputs.cos, inputs.sin], { num_heads: vision.heads, interleaved: 0 });
    return graph.op('Squeeze', [turned, graph.ints(0)]);
  };
  const full = vision.fullAttentionLayers.includes(layer);
  const attended = full
    ? fullAttention(graph, rotate(q), rotate(k), v, vision.heads)
    : windowAttention(graph, vision, rotate(q), rotate(k), v, inputs);
  const residual = graph.op('Add', [x, linear(attended, 'attn.proj')]);
  const mlpInput = rmsNorm(graph, residual, weights.tensor(name('norm2.weight')), vision.rmsNormEps);
  const gate = linear(mlpInput, 'mlp.gate_proj');
  const active = graph.op('Mul', [
    graph.op('Mul', [gate, graph.op('Sigmoid', [gate])]),
    linear(mlpInput, 'mlp.up_proj'),
  ]);
  return graph.op('Add', [residual, linear(active, 'mlp.down_proj')]);
}

/** Attention within windows of `[patches, heads * dim]` rows in window order. */
function windowAttention(
  graph: GraphBuilder,
  vision: QwenVisionConfig,
  q: Value,
  k: Value,
  v: Value,
  inputs: VisionInputs,
): Value {
  const { heads, headDim } = vision;
  const size = (vision.windowCells * vision.mergeSize) ** 2;
  const windows = (value: Value, perm: readonly number[]): Value => {
    const padded = graph.op('Gather', [value, inputs.window], { axis: 0 });
    return graph.op('Transpose', [graph.op('Reshape', [padded, graph.ints(-1, size, heads, headDim)])], { perm });
  };
  const scaled = graph.op('Mul', [windows(q, [0, 2, 1, 3]), graph.scalar(1 / Math.sqrt(headDim))]);
  const scores = graph.op('MatMul', [scaled, windows(k, [0, 2, 3, 1])]);
  const attention = graph.op('Softmax', [graph.op('Add', [scores, inputs.mask])], { axis: 3 });
  const mixed = graph.op('MatMul', [attention, windows(v, [0, 2, 1, 3])]);
  const rows = graph.op('Reshape', [
    graph.op('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
    graph.ints(-1, heads * headDim),
  ]);
  return graph.op('Gather', [rows, inputs.unpad], { axis: 0 });
}
