import { float, type GraphBuilder, type Value } from '@madakv/onnx';

/** The activations that checkpoints name. `x` of any shape. */
export function activation(graph: GraphBuilder, name: string, x: Value): Value {
  switch (name) {
    case 'gelu':
      return graph.op('Gelu', [x]);
    case 'gelu_tanh':
      return graph.op('Gelu', [x], { approximate: 'tanh' });
    case 'relu':
      return graph.op('Relu', [x]);
    case 'silu':
      return graph.op('Mul', [x, graph.op('Sigmoid', [x])]);
    case 'quick_gelu':
      return graph.op('Mul', [x, graph.op('Sigmoid', [graph.op('Mul', [x, graph.scalar(1.702)])])]);
    default:
      throw new RangeError(`activation ${name} is not known`);
  }
}

/** Unmasked attention of `[tokens, heads * dim]` rows to each other with the flash kernel. */
export function fullAttention(graph: GraphBuilder, q: Value, k: Value, v: Value, heads: number): Value {
  const batched = [q, k, v].map((value) => graph.op('Unsqueeze', [value, graph.ints(0)]));
  const attended = graph.contrib('MultiHeadAttention', batched, { num_heads: heads });
  return graph.op('Squeeze', [attended, graph.ints(0)]);
}

/** The same within tiles of `rows` rows each, which stand one after the other. @param qkv `[tiles * rows, heads * dim]` each */
export function tiledAttention(
  graph: GraphBuilder,
  qkv: readonly Value[],
  rows: number,
  { heads, headDim }: { readonly heads: number; readonly headDim: number },
): Value {
  const width = heads * headDim;
  const batched = qkv.map((value) => graph.op('Reshape', [value, graph.ints(-1, rows, width)]));
  const attended = graph.contrib('MultiHeadAttention', batched, { num_heads: heads });
  return graph.op('Reshape', [attended, graph.ints(-1, width)]);
}

/** Root-mean-square norm over the last axis. */
export function rmsNorm(graph: GraphBuilder, x: Value, gain: Value, epsilon: number): Value {
  return graph.op('SimplifiedLayerNormalization', [x, gain], { axis: -1, epsilon: float(epsilon), stash_type: 1 });
}
