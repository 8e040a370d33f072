import { dataTypes, GraphBuilder, type Value } from '@madakv/onnx';
import type { AttentionShape, DeviceCacheType } from './attention.graph.js';

/**
 * Graphs over caches that stay in a device's memory. Keys and values are `[1, kvHeads, capacity, dim]`, float32 or float16, of which the
 * first rows of every head are filled. Whatever else goes in or out is float32, and converted on the device.
 */

/** What nodes that attend for decoding are called, so that a provider can tell them from those of prefill. */
const DECODE_ATTENTION = 'DecodeAttention';

/**
 * Causal attention of new rows over the caches they belong to, into which their keys and values are written: of one chunk of a prompt
 * (`'chunk'`), or of one new token of each of several sequences.
 *
 * Inputs: `q` `[rows, heads * dim]`, `k`, `v` `[rows, kvHeads * dim]`, and for each sequence b `keys_b`, `values_b` `[1, kvHeads, capacity, dim]`,
 * `last_b` `[1]` int32 (rows filled afterwards, less one), `total_b` `[1]` int32 (rows filled afterwards). Outputs: `attn`
 * `[rows, heads * dim]` and for each sequence `new_keys_b`, `new_values_b`, to be written into the tensors that were fed.
 */
export function deviceAttention(shape: AttentionShape, sequences: 'chunk' | number, type: DeviceCacheType): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const graph = new GraphBuilder(`device-attention-${sequences}`);
  const width = sequences === 'chunk' ? 1 : sequences;
  const rows = (name: string, columns: number): Value[] => {
    const value = converted(graph, graph.input(name, 'float32', ['rows', columns]), type);
    const batched = graph.op('Unsqueeze', [value, graph.ints(0)]);
    if (width === 1) return [batched];
    const ones = graph.ints(...Array<number>(width).fill(1));
    return graph.ops('Split', [batched, ones], { attributes: { axis: 1 }, outputCount: width });
  };
  const q = rows('q', heads * headDim);
  const k = rows('k', kvHeads * headDim);
  const v = rows('v', kvHeads * headDim);
  const outputs = q.map((query, b) => {
    const dims = [1, kvHeads, `capacity_${b}`, headDim];
    const cache = ['keys', 'values'].map((part) => graph.input(`${part}_${b}`, type, dims));
    const counts = ['last', 'total'].map((name) => graph.input(`${name}_${b}`, 'int32', [1]));
    const [output, keys, values] = graph.ops('GroupQueryAttention', [query, k[b], v[b], ...cache, ...counts], {
      domain: 'com.microsoft',
      attributes: { num_heads: heads, kv_num_heads: kvHeads },
      outputCount: 3,
      ...(sequences === 'chunk' ? {} : { stem: DECODE_ATTENTION }),
    });
    graph.outputInPlace(`new_keys_${b}`, keys, type, dims);
    graph.outputInPlace(`new_values_${b}`, values, type, dims);
    return output;
  });
  const joined = width === 1 ? outputs[0] : graph.op('Concat', outputs, { axis: 1 });
  const attention = converted(graph, graph.op('Reshape', [joined, graph.ints(-1, heads * headDim)]), 'float32', type);
  graph.output('attn', attention, 'float32', ['rows', heads * headDim]);
  return graph.encode();
}

/** Builds a graph that does the same to keys and to values; its outputs are `keys` and `values`. */
function forBoth(
  name: string,
  type: DeviceCacheType,
  build: (graph: GraphBuilder, part: 'keys' | 'values') => Value,
): Uint8Array {
  const graph = new GraphBuilder(name);
  for (const part of ['keys', 'values'] as const) graph.output(part, build(graph, part), type);
  return graph.encode();
}

/** An empty cache. Input: `shape` `[4]` int64. Outputs: `keys`, `values` of this shape. */
export function deviceEmpty(type: DeviceCacheType): Uint8Array {
  let shape: Value | undefined;
  return forBoth('device-empty', type, (graph) => {
    shape ??= graph.input('shape', 'int64', [4]);
    return graph.op('Expand', [zeros(graph, [1, 1, 1, 1], type), shape]);
  });
}

/** Room for what is no cache. Input: `shape` `[2]` int64. Output: `scratch` of this shape, float32. */
export function deviceScratch(): Uint8Array {
  const graph = new GraphBuilder('device-scratch');
  const zero = zeros(graph, [1, 1], 'float32');
  graph.output('scratch', graph.op('Expand', [zero, graph.input('shape', 'int64', [2])]), 'float32');
  return graph.encode();
}

/**
 * Copies the rows that are kept. Inputs: `from_keys`, `from_values` `[1, kvHeads, capacity, dim]`, `rows` `[kvHeads * kept]` int32
 * (head * capacity + position). Outputs: `keys`, `values` `[1, kvHeads, kept, dim]`.
 */
export function deviceEvict({ kvHeads, headDim }: AttentionShape, type: DeviceCacheType): Uint8Array {
  let rows: Value | undefined;
  return forBoth('device-evict', type, (graph, part) => {
    rows ??= graph.input('rows', 'int32', ['rows']);
    const from = graph.input(`from_${part}`, type, [1, kvHeads, 'capacity', headDim]);
    const flat = graph.op('Reshape', [from, graph.ints(-1, headDim)]);
    const kept = graph.op('Gather', [flat, rows], { axis: 0 });
    return graph.op('Reshape', [kept, graph.ints(1, kvHeads, -1, headDim)]);
  });
}

/**
 * Puts empty rows behind those of each head. Inputs: `from_keys`, `from_values` `[1, kvHeads, capacity, dim]`. Outputs: `keys`, `values`
 * `[1, kvHeads, capacity + rows, dim]`.
 */
export function deviceGrow({ kvHeads, headDim }: AttentionShape, rows: number, type: DeviceCacheType): Uint8Array {
  return forBoth('device-grow', type, (graph, part) => {
    const from = graph.input(`from_${part}`, type, [1, kvHeads, 'capacity', headDim]);
    return graph.op('Concat', [from, zeros(graph, [1, kvHeads, rows, headDim], type)], { axis: 2 });
  });
}

/** Reads a cache back. Inputs: `from_keys`, `from_values` `[1, kvHeads, capacity, dim]`. Outputs: `keys`, `values`, the same in float32. */
export function deviceDownload({ kvHeads, headDim }: AttentionShape, type: DeviceCacheType): Uint8Array {
  return forBoth('device-download', 'float32', (graph, part) =>
    converted(graph, graph.input(`from_${part}`, type, [1, kvHeads, 'capacity', headDim]), 'float32', type),
  );
}

/** Makes a cache of numbers of the host. Inputs: `from_keys`, `from_values` `[1, kvHeads, rows, dim]` float32. Outputs: `keys`, `values`. */
export function deviceUpload({ kvHeads, headDim }: AttentionShape, type: DeviceCacheType): Uint8Array {
  return forBoth('device-upload', type, (graph, part) =>
    converted(graph, graph.input(`from_${part}`, 'float32', [1, kvHeads, 'rows', headDim]), type),
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

function converted(
  graph: GraphBuilder,
  value: Value,
  to: DeviceCacheType,
  from: DeviceCacheType = 'float32',
): Value {
  return to === from ? value : graph.op('Cast', [value], { to: dataTypes[to] });
}

function zeros(graph: GraphBuilder, dims: readonly number[], type: DeviceCacheType): Value {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return graph.constant(new Uint8Array(count * (type === 'float16' ? 2 : 4)), dims, type);
}
