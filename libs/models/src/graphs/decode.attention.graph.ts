import { GraphBuilder, type Value } from '@madakv/onnx';
import type { AttentionShape } from './attention.graph.js';

/**
 * Attention of one new token of each of `width` sequences over its own cache, which the caller owns: products read it in
 * place, nothing is copied or padded.
 *
 * Inputs: `q` `[width, heads * dim]`, `k`, `v` `[width, kvHeads * dim]` (the new tokens), and for each sequence b `keys_b`,
 * `values_b` `[kvHeads, kept, dim]`, `tail_keys_b`, `tail_values_b` `[tail, kvHeads, dim]`. With an int8 cache `keys_b` are
 * uint8 codes around 128, `values_b` int8 codes, and `key_scales_b`, `value_scales_b` `[kvHeads, kept]` what they are
 * multiplied with. Output: `attn` `[width, heads * dim]`.
 */
export function decodeAttention(shape: AttentionShape, width: number, cache: 'fp32' | 'int8' = 'fp32'): Uint8Array {
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
    const kept = cache === 'int8' ? int8Part(graph, shape, b) : float32Part(graph, shape, b);
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
  /** @param query `[kvHeads, group, dim]`, scaled. @returns `[kvHeads, group, kept]` */
  scores(query: Value): Value;
  /** @param weights `[kvHeads, group, kept]`. @returns `[kvHeads, group, dim]` */
  mix(weights: Value): Value;
}

/** @returns `[kvHeads, group, dim]` */
function attendOne(
  graph: GraphBuilder,
  { heads, kvHeads, headDim }: AttentionShape,
  query: Value,
  kept: KeptProducts,
  tailKeys: Value,
  tailValues: Value,
): Value {
  const grouped = graph.op('Reshape', [query, graph.ints(kvHeads, heads / kvHeads, headDim)]);
  const scaled = graph.op('Mul', [grouped, graph.scalar(1 / Math.sqrt(headDim))]);
  const keptScores = kept.scores(scaled);
  const tailScores = graph.op('MatMul', [scaled, graph.op('Transpose', [tailKeys], { perm: [1, 2, 0] })]);
  const weights = graph.op('Softmax', [graph.op('Concat', [keptScores, tailScores], { axis: 2 })], { axis: 2 });
  const keptCount = graph.op('Shape', [keptScores], { start: 2, end: 3 });
  const axis = graph.ints(2);
  const onKept = graph.op('Slice', [weights, graph.ints(0), keptCount, axis]);
  const onTail = graph.op('Slice', [weights, keptCount, graph.ints(Number.MAX_SAFE_INTEGER), axis]);
  const turnedTail = graph.op('Transpose', [tailValues], { perm: [1, 0, 2] });
  return graph.op('Add', [kept.mix(onKept), graph.op('MatMul', [onTail, turnedTail])]);
}

function float32Part(graph: GraphBuilder, shape: AttentionShape, sequence: number): KeptProducts {
  const { kvHeads, headDim } = shape;
  const dims = [kvHeads, `kept_${sequence}`, headDim];
  const keys = graph.input(`keys_${sequence}`, 'float32', dims);
  const values = graph.input(`values_${sequence}`, 'float32', dims);
  return {
    // Keys on the left: the long operand is streamed once, the few queries are what the kernel packs.
    scores: (query) => fromRows(graph, shape, graph.op('MatMul', [keys, asColumns(graph, shape, query)])),
    mix: (weights) => graph.op('MatMul', [weights, values]),
  };
}

/** Zero point of key codes. */
const MIDDLE = 128;

/**
 * Integer products with 8-bit codes. Queries are rounded to 8 bits a row; the attention weights to 16 bits of the largest,
 * as two products of 8: with 8 alone, many small weights beside one large one would all round to nothing.
 */
function int8Part(graph: GraphBuilder, shape: AttentionShape, sequence: number): KeptProducts {
  const { kvHeads, headDim } = shape;
  const dims = [kvHeads, `kept_${sequence}`, headDim];
  const keys = graph.input(`keys_${sequence}`, 'uint8', dims);
  const values = graph.input(`values_${sequence}`, 'int8', dims);
  const scales = (name: string): Value => graph.input(`${name}_scales_${sequence}`, 'float32', dims.slice(0, 2));
  const keyScales = graph.op('Unsqueeze', [scales('key'), graph.ints(2)]);
  const valueScales = graph.op('Unsqueeze', [scales('value'), graph.ints(1)]);
  const floats = (value: Value): Value => graph.op('Cast', [value], { to: 1 });
  const codes = (value: Value): Value => graph.op('Cast', [value], { to: 2 });
  const largestOf = (value: Value): Value =>
    graph.op('Max', [graph.op('ReduceMax', [value, graph.ints(2)], { keepdims: 1 }), graph.scalar(1e-30)]);
  return {
    scores: (query) => {
      const step = graph.op('Div', [largestOf(graph.op('Abs', [query])), graph.scalar(127)]);
      const zero = graph.constant(Uint8Array.of(0), [], 'int8');
      const rounded = graph.op('QuantizeLinear', [graph.op('Div', [query, step]), graph.scalar(1), zero]);
      const middle = graph.constant(Uint8Array.of(MIDDLE), []);
      const sums = graph.op('MatMulInteger', [keys, asColumns(graph, shape, rounded), middle]);
      const rows = graph.op('Mul', [floats(sums), keyScales]);
      return graph.op('Mul', [fromRows(graph, shape, rows), step]);
    },
    mix: (weights) => {
      const weighted = graph.op('Mul', [weights, valueScales]);
      const step = graph.op('Div', [largestOf(weighted), graph.scalar(65_535)]);
      const fine = graph.op('Div', [weighted, step]);
      // Casting to an integer cuts the fraction off.
      const high = codes(graph.op('Mul', [fine, graph.scalar(1 / 256)]));
      const highValue = graph.op('Mul', [floats(high), graph.scalar(256)]);
      const low = codes(graph.op('Sub', [fine, highValue]));
      const product = (left: Value): Value => floats(graph.op('MatMulInteger', [left, values]));
      const sum = graph.op('Add', [graph.op('Mul', [product(high), graph.scalar(256)]), product(low)]);
      return graph.op('Mul', [sum, step]);
    },
  };
}

/** `[kvHeads, group, dim]` as `[kvHeads, dim, group]`; with one query a head that is another view of the same numbers. */
function asColumns(graph: GraphBuilder, { heads, kvHeads, headDim }: AttentionShape, query: Value): Value {
  if (heads === kvHeads) return graph.op('Reshape', [query, graph.ints(kvHeads, headDim, 1)]);
  return graph.op('Transpose', [query], { perm: [0, 2, 1] });
}

/** `[kvHeads, kept, group]` as `[kvHeads, group, kept]`. */
function fromRows(graph: GraphBuilder, { heads, kvHeads }: AttentionShape, scores: Value): Value {
  if (heads === kvHeads) {
    const kept = graph.op('Shape', [scores], { start: 1, end: 2 });
    return graph.op('Reshape', [scores, graph.op('Concat', [graph.ints(kvHeads, 1), kept], { axis: 0 })]);
  }
  return graph.op('Transpose', [scores], { perm: [0, 2, 1] });
}
