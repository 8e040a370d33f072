import { GraphBuilder, Tensor, type ExecutionProvider } from '@madakv/onnx';

/** Milliseconds of repeated runs. */
export interface Timing {
  readonly minMs: number;
  readonly medianMs: number;
}

/** Times `work` after some unmeasured rounds. */
export async function time(work: () => Promise<unknown>, rounds: number, warmup = 2): Promise<Timing> {
  for (let i = 0; i < warmup; i++) await work();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { minMs: times[0], medianMs: times[times.length >> 1] };
}

/**
 * The memory bandwidth that ONNX Runtime reaches on this machine right now, in bytes a millisecond: the best of a vector-matrix
 * product and a reduction, both over more memory than caches hold.
 */
export async function memoryBandwidth(provider: ExecutionProvider): Promise<number> {
  const rows = 8192;
  const columns = 16_384;
  const data = new Tensor('float32', new Float32Array(rows * columns).fill(0.5), [rows, columns]);
  const product = new GraphBuilder('bandwidth-product');
  const matrix = product.input('m', 'float32', [rows, columns]);
  product.output('y', product.op('MatMul', [product.input('x', 'float32', [1, rows]), matrix]), 'float32');
  const reduction = new GraphBuilder('bandwidth-reduction');
  const input = reduction.input('m', 'float32', [rows, columns]);
  reduction.output('y', reduction.op('ReduceMax', [input, reduction.ints(1)]), 'float32');
  const x = new Tensor('float32', new Float32Array(rows).fill(0.5), [1, rows]);
  let best = 0;
  for (const [graph, feeds] of [
    [product, { x, m: data }],
    [reduction, { m: data }],
  ] as const) {
    const session = await provider.createSession({ bytes: graph.encode() });
    const { minMs } = await time(() => session.run(feeds), 8);
    best = Math.max(best, (rows * columns * 4) / minMs);
    await session.release();
  }
  return best;
}

/** GFLOP/s of a large float32 matrix product on this machine right now. */
export async function gemmPeak(provider: ExecutionProvider): Promise<number> {
  const [m, k, n] = [512, 4096, 4096];
  const graph = new GraphBuilder('gemm-peak');
  const weights = graph.constant(new Float32Array(k * n).fill(0.01), [k, n]);
  graph.output('y', graph.op('MatMul', [graph.input('x', 'float32', [m, k]), weights]), 'float32');
  const session = await provider.createSession({ bytes: graph.encode() });
  const x = new Tensor('float32', new Float32Array(m * k).fill(0.5), [m, k]);
  const { minMs } = await time(() => session.run({ x }), 8);
  await session.release();
  return (2 * m * k * n) / minMs / 1e6;
}
