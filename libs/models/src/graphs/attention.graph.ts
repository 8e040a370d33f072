import { dataTypes, GraphBuilder, type Value } from '@madakv/onnx';

/** The part of a decoder's shape that attention depends on. */
export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** How the numbers of a device's caches are stored. */
export type DeviceCacheType = 'float32' | 'float16';

/**
 * Causal attention of one chunk of a prompt over the chunks before it and itself, with the flash kernel of
 * `GroupQueryAttention`.
 *
 * The operator copies past and new keys into a buffer of its own; running it one key-value head at a time keeps that copy
 * to one head instead of a whole layer.
 *
 * Inputs: `q` `[chunk, heads * dim]`, `k`, `v` `[chunk, kvHeads * dim]`, for each key-value head h `past_keys_h` and `past_values_h`
 * `[1, 1, past, dim]`, `last` `[1]` int32 (past + chunk - 1), `total` `[1]` int32 (past + chunk). Output: `attn` `[chunk, heads * dim]`.
 */
export function prefillAttention(shape: AttentionShape): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const group = heads / kvHeads;
  const graph = new GraphBuilder('attention-prefill');
  const perHead = (name: string, width: number): Value[] => {
    const value = graph.input(name, 'float32', ['chunk', kvHeads * width]);
    if (kvHeads === 1) return [graph.op('Unsqueeze', [value, graph.ints(0)])];
    const batched = graph.op('Unsqueeze', [value, graph.ints(0)]);
    return graph.ops('Split', [batched, graph.ints(...Array.from({ length: kvHeads }, () => width))], {
      attributes: { axis: 2 },
      outputCount: kvHeads,
    });
  };
  const q = perHead('q', group * headDim);
  const k = perHead('k', headDim);
  const v = perHead('v', headDim);
  const last = graph.input('last', 'int32', [1]);
  const total = graph.input('total', 'int32', [1]);
  const outputs = q.map((query, head) => {
    const past = (name: string): Value => graph.input(`${name}_${head}`, 'float32', [1, 1, 'past', headDim]);
    const [output] = graph.ops(
      'GroupQueryAttention',
      [query, k[head], v[head], past('past_keys'), past('past_values'), last, total],
      { domain: 'com.microsoft', attributes: { num_heads: group, kv_num_heads: 1 }, outputCount: 3 },
    );
    return output;
  });
  const joined = kvHeads === 1 ? outputs[0] : graph.op('Concat', outputs, { axis: 2 });
  graph.output('attn', graph.op('Reshape', [joined, graph.ints(-1, heads * headDim)]), 'float32', [
    'chunk',
    heads * headDim,
  ]);
  return graph.encode();
}

/**
 * How much some queries of a prompt attend to each of its keys, weighted and summed over the queries.
 *
 * Inputs: `q` `[queries, heads * dim]`, `keys` `[kvHeads, tokens, dim]`, `position` `[queries, 1]` (each query's own index; it sees keys up to
 * it), `index` `[tokens]` (0, 1, 2, ...), `weight` `[queries, 1]`; all float32 but for the keys where a device stores them otherwise.
 * Output: `importance` `[kvHeads, group, tokens]`.
 * @param adds also takes `before`, importance by other queries, and adds to it
 */
export function importanceScore(
  shape: AttentionShape,
  keysType: DeviceCacheType = 'float32',
  adds = false,
): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const group = heads / kvHeads;
  const graph = new GraphBuilder('attention-importance');
  const q = graph.input('q', 'float32', ['queries', heads * headDim]);
  const stored = graph.input('keys', keysType, [kvHeads, 'tokens', headDim]);
  // Sums of float16 products would lose what tells two scores apart.
  const keys = keysType === 'float32' ? stored : graph.op('Cast', [stored], { to: dataTypes.float32 });
  const position = graph.input('position', 'float32', ['queries', 1]);
  const index = graph.input('index', 'float32', ['tokens']);
  const weight = graph.input('weight', 'float32', ['queries', 1]);

  const split = graph.op('Transpose', [graph.op('Reshape', [q, graph.ints(-1, kvHeads, group, headDim)])], {
    perm: [1, 2, 0, 3],
  });
  const scaled = graph.op('Mul', [split, graph.scalar(1 / Math.sqrt(headDim))]);
  const flat = graph.op('Reshape', [scaled, graph.ints(kvHeads, -1, headDim)]);
  const scores = graph.op('MatMul', [flat, graph.op('Transpose', [keys], { perm: [0, 2, 1] })]);
  const tokens = graph.op('Shape', [keys], { start: 1, end: 2 });
  const shaped = graph.op('Reshape', [
    scores,
    graph.op('Concat', [graph.ints(kvHeads, group, -1), tokens], { axis: 0 }),
  ]);
  const visible = graph.op('LessOrEqual', [index, position]);
  // One small mask is added to all heads, and the weighted sum is a product: two passes over the scores less than with selections.
  const mask = graph.op('Where', [visible, graph.scalar(0), graph.scalar(-3.0e38)]);
  const attention = graph.op('Softmax', [graph.op('Add', [shaped, mask])], { axis: 3 });
  const weights = graph.op('Reshape', [weight, graph.ints(1, -1)]);
  const sum = graph.op('Squeeze', [graph.op('MatMul', [weights, attention]), graph.ints(2)]);
  const dims = [kvHeads, group, 'tokens'];
  const all = adds ? graph.op('Add', [graph.input('before', 'float32', dims), sum]) : sum;
  graph.output('importance', all, 'float32', dims);
  return graph.encode();
}
