import { GraphBuilder } from './graph.builder.js';
import { Tensor, type ExecutionProvider } from './provider.js';

const HEAD_DIM = 64;
/** Flash kernels are for long inputs; short ones take another path. */
const TOKENS = 48;
const TOLERANCE = 1e-3;

/** Operators that a GPU provider runs with its flash attention. */
export const FLASH_OPERATORS = ['GroupQueryAttention', 'MultiHeadAttention'] as const;

/**
 * Whether a provider's flash attention computes attention. On software devices that of ONNX Runtime 1.30 does not from 32 rows on: rows
 * behind the first few mix their values by wrong weights. Weights are told apart by queries that differ.
 */
export async function flashAttentionWorks(provider: ExecutionProvider): Promise<boolean> {
  const [q, k, v] = [1, 2, 3].map(noise);
  const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [1, TOKENS, HEAD_DIM]);
  const int = (value: number): Tensor => new Tensor('int32', Int32Array.of(value), [1]);
  const session = await provider.createSession({ bytes: probeGraph() });
  try {
    const { causal, full } = await session.run({
      q: tensor(q),
      k: tensor(k),
      v: tensor(v),
      last: int(TOKENS - 1),
      total: int(TOKENS),
    });
    return (
      isNear(
        causal,
        attention(q, k, v, (row) => row + 1),
      ) &&
      isNear(
        full,
        attention(q, k, v, () => TOKENS),
      )
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

/** `[tokens, dim]` numbers between -2 and 2 that look random. */
function noise(seed: number): Float32Array {
  return Float32Array.from({ length: TOKENS * HEAD_DIM }, (_, i) => 2 * Math.sin((i + 1) * (seed + 0.7)));
}

/** @param visible how many keys a row sees */
function attention(q: Float32Array, k: Float32Array, v: Float32Array, visible: (row: number) => number): Float32Array {
  const result = new Float32Array(TOKENS * HEAD_DIM);
  for (let row = 0; row < TOKENS; row++) {
    const weights = Array.from({ length: visible(row) }, (_, key) => {
      let score = 0;
      for (let i = 0; i < HEAD_DIM; i++) score += q[row * HEAD_DIM + i] * k[key * HEAD_DIM + i];
      return Math.exp(score / Math.sqrt(HEAD_DIM));
    });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, key) => {
      for (let i = 0; i < HEAD_DIM; i++) result[row * HEAD_DIM + i] += (weight / total) * v[key * HEAD_DIM + i];
    });
  }
  return result;
}

function isNear({ data }: Tensor, expected: Float32Array): boolean {
  return (data as Float32Array).every((value, i) => Math.abs(value - expected[i]) < TOLERANCE);
}
