import { GraphBuilder, zeroCode, type CodeType, type Value } from '@madakv/onnx';
import type { AttentionShape } from './attention.graph.js';

/**
 * Attention of one new token of each of `width` sequences over its own cache, which the caller owns: products read it in
 * place, nothing is copied or padded.
 *
 * Inputs: `q` `[width, heads * dim]`, `k`, `v` `[width, kvHeads * dim]` (the new tokens), and for each sequence b `keys_b`
 * `[kvHeads, kept, dim]`, `values_b` `[kvHeads, dim, kept]`, `tail_keys_b`, `tail_values_b` `[tail, kvHeads, dim]`. With a
 * cache of 8-bit codes `keys_b` are uint8 codes, `values_b` `[kvHeads, kept, dim]` codes of the type `cache`, and `key_scales_b`,
 * `value_scales_b` `[kvHeads, kept]` what they are multiplied with. Output: `attn` `[width, heads * dim]`.
 */
export function decodeAttention(shape: AttentionShape, width: number, cache: 'fp32' | CodeType = 'fp32'): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const graph = new GraphBuilder(`attention-decode-${width}`);
  const rows = (name: string, dim: number): Value[] => {
    const value = graph.input(name, 'float32', [width, dim]);
    if (width === 1) return [value];
    return graph.ops('Split', [value, graph.ints(...Array.from({ length: width }, () => 1))], {
      attributes: { axis: 0 },
      outputCount: width,
    });
  };
  const q = rows('q', heads * headDim);
  const k = rows('k', kvHeads * headDim);
  const v = rows('v', kvHeads * headDim);
  const outputs = q.map((query, b) => {
    const kept = cache === 'fp32' ? float32Part(graph, shape, b) : codesPart(graph, shape, b, cache);
    const tail = (name: string, fresh: Value): Value => {
      const past = graph.input(`tail_${name}_${b}`, 'float32', [`tail_${b}`, kvHeads, headDim]);
      const row = graph.op('Reshape', [fresh, graph.ints(1, kvHeads, headDim)]);
      return graph.op('Concat', [past, row], { axis: 0 });
    };
    const output = attendOne(graph, shape, query, kept, tail('keys', k[b]), tail('values', v[b]));
    return graph.op('Reshape', [output, graph.ints(1, heads * headDim)]);
  });
  graph.output('attn', width === 1 ? outputs[0] : graph.op('Concat', outputs, { axis: 0 }), 'float32', [
    width,
    heads * headDim,
  ]);
  return graph.encode();
}

/** The two products of attention with the part of a cache that no longer changes. */
interface KeptProducts {
  /** @param query `[kvHeads, dim, group]`, scaled. @returns `[kvHeads, kept, group]` */
  scores(query: Value): Value;
  /** @param weights `[kvHeads, kept, group]`. @returns `[kvHeads, dim, group]` */
  mix(weights: Value): Value;
}

/**
 * Softmax over both parts of the cache without joining them: exponentials of each, divided at the end by the sum of both.
 * The long operand of every product stands on the left, where the kernel streams it; the few queries are what it packs.
 * @returns `[kvHeads, group, dim]`
 */
function attendOne(
  graph: GraphBuilder,
  shape: AttentionShape,
  query: Value,
  kept: KeptProducts,
  tailKeys: Value,
  tailValues: Value,
): Value {
  const { heads, kvHeads, headDim } = shape;
  const grouped = graph.op('Reshape', [query, graph.ints(kvHeads, heads / kvHeads, headDim)]);
  const turned = swapLast(graph, shape, grouped, [kvHeads, headDim, 1]);
  const scaled = graph.op('Mul', [turned, graph.scalar(1 / Math.sqrt(headDim))]);
  const keptScores = kept.scores(scaled);
  const tailScores = graph.op('MatMul', [graph.op('Transpose', [tailKeys], { perm: [1, 0, 2] }), scaled]);
  const along = (op: string, value: Value): Value => graph.op(op, [value, graph.ints(1)], { keepdims: 1 });
  const largest = graph.op('Max', [along('ReduceMax', keptScores), along('ReduceMax', tailScores)]);
  const weight = (scores: Value): Value => graph.op('Exp', [graph.op('Sub', [scores, largest])]);
  const [onKept, onTail] = [weight(keptScores), weight(tailScores)];
  const tailMix = graph.op('MatMul', [graph.op('Transpose', [tailValues], { perm: [1, 2, 0] }), onTail]);
  const total = graph.op('Add', [along('ReduceSum', onKept), along('ReduceSum', onTail)]);
  const mixed = graph.op('Div', [graph.op('Add', [kept.mix(onKept), tailMix]), total]);
  return swapLast(graph, shape, mixed, [kvHeads, 1, headDim]);
}

function float32Part(graph: GraphBuilder, { kvHeads, headDim }: AttentionShape, sequence: number): KeptProducts {
  const kept = `kept_${sequence}`;
  const keys = graph.input(`keys_${sequence}`, 'float32', [kvHeads, kept, headDim]);
  const values = graph.input(`values_${sequence}`, 'float32', [kvHeads, headDim, kept]);
  return {
    scores: (query) => graph.op('MatMul', [keys, query]),
    mix: (weights) => graph.op('MatMul', [values, weights]),
  };
}

/**
 * Integer products with 8-bit codes. Queries are rounded to 8 bits each; the attention weights to 16 bits of the largest, as
 * two products of 8: with 8 alone, many small weights beside one large one would all round to nothing.
 * @param right type of the codes on a product's right: of queries and of values
 */
function codesPart(graph: GraphBuilder, shape: AttentionShape, sequence: number, right: CodeType): KeptProducts {
  const { kvHeads, headDim } = shape;
  const dims = [kvHeads, `kept_${sequence}`, headDim];
  const keys = graph.input(`keys_${sequence}`, 'uint8', dims);
  const values = graph.input(`values_${sequence}`, right, dims);
  const scales = (name: string): Value => {
    const input = graph.input(`${name}_scales_${sequence}`, 'float32', dims.slice(0, 2));
    return graph.op('Unsqueeze', [input, graph.ints(2)]);
  };
  const keyScales = scales('key');
  const valueScales = scales('value');
  const floats = (value: Value): Value => graph.op('Cast', [value], { to: 1 });
  const codes = (value: Value): Value => graph.op('Cast', [value], { to: 2 });
  const zero = (type: CodeType): Value => graph.constant(Uint8Array.of(zeroCode[type]), [], type);
  const largestOf = (value: Value): Value =>
    graph.op('Max', [graph.op('ReduceMax', [value, graph.ints(1)], { keepdims: 1 }), graph.scalar(1e-30)]);
  return {
    scores: (query) => {
      const step = graph.op('Div', [largestOf(graph.op('Abs', [query])), graph.scalar(127)]);
      const rounded = graph.op('QuantizeLinear', [graph.op('Div', [query, step]), graph.scalar(1), zero(right)]);
      const sums = floats(graph.op('MatMulInteger', [keys, rounded, zero('uint8'), zero(right)]));
      return graph.op('Mul', [graph.op('Mul', [sums, keyScales]), step]);
    },
    mix: (weights) => {
      const weighted = graph.op('Mul', [weights, valueScales]);
      const step = graph.op('Div', [largestOf(weighted), graph.scalar(65_535)]);
      const kept = graph.op('Shape', [weighted], { start: 1, end: 2 });
      const rows = graph.op('Concat', [graph.ints(kvHeads, 1), kept], { axis: 0 });
      const fine = swapLast(graph, shape, graph.op('Div', [weighted, step]), rows);
      // Casting to an integer cuts the fraction off.
      const high = codes(graph.op('Mul', [fine, graph.scalar(1 / 256)]));
      const low = codes(graph.op('Sub', [fine, graph.op('Mul', [floats(high), graph.scalar(256)])]));
      const product = (left: Value): Value => floats(graph.op('MatMulInteger', [left, values, null, zero(right)]));
      const sum = graph.op('Add', [graph.op('Mul', [product(high), graph.scalar(256)]), product(low)]);
      return graph.op('Mul', [swapLast(graph, shape, sum, [kvHeads, headDim, 1]), step]);
    },
  };
}

/** Swaps the last two axes; with one query a key-value head that is another view of the same numbers, of shape `single`. */
function swapLast(
  graph: GraphBuilder,
  { heads, kvHeads }: AttentionShape,
  value: Value,
  single: readonly number[] | Value,
): Value {
  if (heads > kvHeads) return graph.op('Transpose', [value], { perm: [0, 2, 1] });
  return graph.op('Reshape', [value, typeof single === 'string' ? single : graph.ints(...single)]);
}
