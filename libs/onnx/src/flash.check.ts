import { GraphBuilder } from './graph.builder.js';
import { Tensor, type ExecutionProvider } from './provider.js';

const HEAD_DIM = 64;
/** Flash kernels are for long inputs; short ones take another path. */
const TOKENS = 48;
const TOLERANCE = 1e-3;

/** Operators that a GPU provider runs with its flash attention. */
export const FLASH_OPERATORS = ['GroupQueryAttention', 'MultiHeadAttention'] as const;

/**
 * Whether a provider's flash attention computes attention. On devices with subgroups of fewer than 8 lanes, software ones among
 * them, that of ONNX Runtime 1.30 does not (see also onnxruntime issue 26064). Equal queries make the result known:
 * means of the values.
 */
export async function flashAttentionWorks(provider: ExecutionProvider): Promise<boolean> {
  const values = Float32Array.from({ length: TOKENS * HEAD_DIM }, (_, i) => Math.sin(i));
  const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [1, TOKENS, HEAD_DIM]);
  const int = (value: number): Tensor => new Tensor('int32', Int32Array.of(value), [1]);
  const session = await provider.createSession({ bytes: probeGraph() });
  try {
    const { causal, full } = await session.run({
      q: tensor(new Float32Array(TOKENS * HEAD_DIM)),
      k: tensor(values),
      v: tensor(values),
      last: int(TOKENS - 1),
      total: int(TOKENS),
    });
    const means = runningMeans(values);
    const end = means.slice(-HEAD_DIM);
    return (
      isNear(causal.data as Float32Array, (i) => means[i]) &&
      isNear(full.data as Float32Array, (i) => end[i % HEAD_DIM])
    );
  } finally {
    await session.release();
  }
}

function probeGraph(): Uint8Array {
  const graph = new GraphBuilder('flash-check');
  const qkv = ['q', 'k', 'v'].map((name) => graph.input(name, 'float32', [1, TOKENS, HEAD_DIM]));
  const counts = [graph.input('last', 'int32', [1]), graph.input('total', 'int32', [1])];
  const [causal, keys, values] = graph.ops('GroupQueryAttention', [...qkv, null, null, ...counts], {
    domain: 'com.microsoft',
    attributes: { num_heads: 1, kv_num_heads: 1 },
    outputCount: 3,
  });
  graph.output('causal', causal, 'float32');
  graph.output('keys', keys, 'float32');
  graph.output('values', values, 'float32');
  graph.output('full', graph.contrib('MultiHeadAttention', qkv, { num_heads: 1 }), 'float32');
  return graph.encode();
}

/** Of each row of `[tokens, dim]` the mean of the rows up to it. */
function runningMeans(rows: Float32Array): Float32Array {
  const sums = new Float32Array(HEAD_DIM);
  return rows.map((value, i) => (sums[i % HEAD_DIM] += value) / (Math.floor(i / HEAD_DIM) + 1));
}

function isNear(actual: Float32Array, expected: (i: number) => number): boolean {
  return actual.every((value, i) => Math.abs(value - expected(i)) < TOLERANCE);
}
