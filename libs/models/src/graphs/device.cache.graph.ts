import { GraphBuilder, type Value } from '@madakv/onnx';
import type { AttentionShape } from './attention.graph.js';

/**
 * Graphs over caches that stay in a device's memory. There nothing can be written into place: a graph takes the cache and
 * returns what becomes of it. Keys and values are `[kvHeads, tokens, dim]`, as everywhere.
 */

/**
 * Causal attention of one chunk of a prompt over the chunks before it and itself, which also appends the chunk to the cache.
 *
 * Inputs: `q` `[chunk, heads * dim]`, `k`, `v` `[chunk, kvHeads * dim]`, `past_keys`, `past_values` `[1, kvHeads, past, dim]`, `last` `[1]` int32
 * (past + chunk - 1), `total` `[1]` int32 (past + chunk). Outputs: `attn` `[chunk, heads * dim]`, `keys`, `values`
 * `[1, kvHeads, past + chunk, dim]`.
 */
export function devicePrefillAttention(shape: AttentionShape): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const graph = new GraphBuilder('device-attention-prefill');
  const rows = (name: string, width: number): Value =>
    graph.op('Unsqueeze', [graph.input(name, 'float32', ['chunk', width]), graph.ints(0)]);
  const past = (name: string): Value => graph.input(name, 'float32', [1, kvHeads, 'past', headDim]);
  const [output, keys, values] = graph.ops(
    'GroupQueryAttention',
    [
      rows('q', heads * headDim),
      rows('k', kvHeads * headDim),
      rows('v', kvHeads * headDim),
      past('past_keys'),
      past('past_values'),
      graph.input('last', 'int32', [1]),
      graph.input('total', 'int32', [1]),
    ],
    { domain: 'com.microsoft', attributes: { num_heads: heads, kv_num_heads: kvHeads }, outputCount: 3 },
  );
  const attention = graph.op('Reshape', [output, graph.ints(-1, heads * headDim)]);
  graph.output('attn', attention, 'float32', ['chunk', heads * headDim]);
  graph.output('keys', keys, 'float32', [1, kvHeads, 'total', headDim]);
  graph.output('values', values, 'float32', [1, kvHeads, 'total', headDim]);
  return graph.encode();
}

/**
 * Attention of one new token of each of `width` sequences over its own cache; also appends the token to the cache's tail.
 *
 * Inputs: `q` `[width, heads * dim]`, `k`, `v` `[width, kvHeads * dim]` (the new tokens), and for each sequence b `keys_b`, `values_b`
 * `[kvHeads, kept, dim]`, `tail_keys_b`, `tail_values_b` `[tail, kvHeads, dim]`. Outputs: `attn` `[width, heads * dim]` and for each sequence
 * `new_tail_keys_b`, `new_tail_values_b` `[tail + 1, kvHeads, dim]`.
 */
export function deviceDecodeAttention(shape: AttentionShape, width: number): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const graph = new GraphBuilder(`device-attention-decode-${width}`);
  const rows = (name: string, columns: number): Value[] => {
    const value = graph.input(name, 'float32', [width, columns]);
    if (width === 1) return [value];
    const ones = graph.ints(...Array<number>(width).fill(1));
    return graph.ops('Split', [value, ones], { attributes: { axis: 0 }, outputCount: width });
  };
  const q = rows('q', heads * headDim);
  const k = rows('k', kvHeads * headDim);
  const v = rows('v', kvHeads * headDim);
  const outputs = q.map((query, b) => {
    const kept = (name: string): Value => graph.input(`${name}_${b}`, 'float32', [kvHeads, `kept_${b}`, headDim]);
    const tail = (name: string, fresh: Value): Value => {
      const past = graph.input(`tail_${name}_${b}`, 'float32', [`tail_${b}`, kvHeads, headDim]);
      const row = graph.op('Reshape', [fresh, graph.ints(1, kvHeads, headDim)]);
      const joined = graph.op('Concat', [past, row], { axis: 0 });
      graph.output(`new_tail_${name}_${b}`, joined, 'float32', [`new_tail_${b}`, kvHeads, headDim]);
      return joined;
    };
    const cache = { keys: kept('keys'), values: kept('values') };
    return attend(graph, shape, query, { ...cache, tailKeys: tail('keys', k[b]), tailValues: tail('values', v[b]) });
  });
  const joined = width === 1 ? outputs[0] : graph.op('Concat', outputs, { axis: 0 });
  graph.output('attn', joined, 'float32', [width, heads * headDim]);
  return graph.encode();
}

/** @returns `[1, heads * dim]` */
function attend(
  graph: GraphBuilder,
  { heads, kvHeads, headDim }: AttentionShape,
  query: Value,
  cache: Readonly<Record<'keys' | 'values' | 'tailKeys' | 'tailValues', Value>>,
): Value {
  const transpose = (value: Value, perm: readonly number[]): Value => graph.op('Transpose', [value], { perm });
  const grouped = graph.op('Reshape', [query, graph.ints(kvHeads, heads / kvHeads, headDim)]);
  const scaled = graph.op('Mul', [grouped, graph.scalar(1 / Math.sqrt(headDim))]);
  // Keys on the left, so that they are read as they lie and only the few queries and scores are transposed.
  const keptScores = transpose(graph.op('MatMul', [cache.keys, transpose(scaled, [0, 2, 1])]), [0, 2, 1]);
  const tailScores = graph.op('MatMul', [scaled, transpose(cache.tailKeys, [1, 2, 0])]);
  const weights = graph.op('Softmax', [graph.op('Concat', [keptScores, tailScores], { axis: 2 })], { axis: 2 });
  const keptCount = graph.op('Shape', [cache.keys], { start: 1, end: 2 });
  const onKept = graph.op('Slice', [weights, graph.ints(0), keptCount, graph.ints(2)]);
  const onTail = graph.op('Slice', [weights, keptCount, graph.ints(Number.MAX_SAFE_INTEGER), graph.ints(2)]);
  const mixed = graph.op('Add', [
    graph.op('MatMul', [onKept, cache.values]),
    graph.op('MatMul', [onTail, transpose(cache.tailValues, [1, 0, 2])]),
  ]);
  return graph.op('Reshape', [mixed, graph.ints(1, heads * headDim)]);
}

/** Builds a graph that does the same to keys and to values; its outputs are `keys` and `values`. */
function forBoth(name: string, build: (graph: GraphBuilder, part: 'keys' | 'values') => Value): Uint8Array {
  const graph = new GraphBuilder(name);
  for (const part of ['keys', 'values'] as const) graph.output(part, build(graph, part), 'float32');
  return graph.encode();
}

/**
 * Appends a chunk to a prompt's cache. Inputs: `past_keys`, `past_values` `[1, kvHeads, past, dim]`, `fresh_keys`, `fresh_values`
 * `[chunk, kvHeads * dim]`. Outputs: `keys`, `values` `[1, kvHeads, past + chunk, dim]`.
 */
export function deviceAppend({ kvHeads, headDim }: AttentionShape): Uint8Array {
  return forBoth('device-append', (graph, part) => {
    const past = graph.input(`past_${part}`, 'float32', [1, kvHeads, 'past', headDim]);
    const fresh = graph.input(`fresh_${part}`, 'float32', ['chunk', kvHeads * headDim]);
    const split = graph.op('Reshape', [fresh, graph.ints(1, -1, kvHeads, headDim)]);
    return graph.op('Concat', [past, graph.op('Transpose', [split], { perm: [0, 2, 1, 3] })], { axis: 2 });
  });
}

/**
 * Copies the rows that are kept. Inputs: `from_keys`, `from_values` `[1, kvHeads, tokens, dim]`, `rows` `[kvHeads * kept]` int32 (head * tokens +
 * position). Outputs: `keys`, `values` `[kvHeads, kept, dim]`.
 */
export function deviceEvict({ kvHeads, headDim }: AttentionShape): Uint8Array {
  let rows: Value | undefined;
  return forBoth('device-evict', (graph, part) => {
    rows ??= graph.input('rows', 'int32', ['rows']);
    const from = graph.input(`from_${part}`, 'float32', [1, kvHeads, 'tokens', headDim]);
    const flat = graph.op('Reshape', [from, graph.ints(-1, headDim)]);
    const kept = graph.op('Gather', [flat, rows], { axis: 0 });
    return graph.op('Reshape', [kept, graph.ints(kvHeads, -1, headDim)]);
  });
}

/**
 * Puts a tail behind the compressed part. Inputs: `part_keys`, `part_values` `[kvHeads, kept, dim]`, `tail_keys`, `tail_values`
 * `[tail, kvHeads, dim]`. Outputs: `keys`, `values` `[kvHeads, kept + tail, dim]`.
 */
export function deviceFold({ kvHeads, headDim }: AttentionShape): Uint8Array {
  return forBoth('device-fold', (graph, part) => {
    const kept = graph.input(`part_${part}`, 'float32', [kvHeads, 'kept', headDim]);
    const tail = graph.input(`tail_${part}`, 'float32', ['tail', kvHeads, headDim]);
    return graph.op('Concat', [kept, graph.op('Transpose', [tail], { perm: [1, 0, 2] })], { axis: 1 });
  });
}

/** Reads a prompt's cache back. Inputs: `from_keys`, `from_values` `[1, kvHeads, tokens, dim]`. Outputs: `keys`, `values`, the same. */
export function deviceDownload({ kvHeads, headDim }: AttentionShape): Uint8Array {
  return forBoth('device-download', (graph, part) =>
    graph.input(`from_${part}`, 'float32', [1, kvHeads, 'tokens', headDim]),
  );
}

/** Copies rows of a matrix. Inputs: `matrix` `[all, columns]`, `rows` `[n]` int32. Output: `picked` `[n, columns]`. */
export function pickRows(columns: number): Uint8Array {
  const graph = new GraphBuilder('pick-rows');
  const matrix = graph.input('matrix', 'float32', ['all', columns]);
  const rows = graph.input('rows', 'int32', ['n']);
  graph.output('picked', graph.op('Gather', [matrix, rows], { axis: 0 }), 'float32', ['n', columns]);
  return graph.encode();
}
