import { GraphBuilder, Tensor, type ExecutionProvider } from '@madakv/onnx';

/** Milliseconds of each named piece of work, round by round. */
export type Rounds<Name extends string> = Readonly<Record<Name, readonly number[]>>;

/**
 * Runs pieces of work in turns, so that a change of the machine's load meets all of them: ratios are then taken within a
 * round, and their median over the rounds is reported.
 */
export async function interleave<Name extends string>(
  works: Readonly<Record<Name, () => Promise<unknown>>>,
  rounds: number,
): Promise<Rounds<Name>> {
  const names = Object.keys(works) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  // The first round is not counted: it maps weights and fills caches.
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const started = performance.now();
      await works[name]();
      if (round >= 0) times[name].push(performance.now() - started);
    }
  }
  return times;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Median over the rounds of `a` over `b`. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, round) => value / b[round]));
}

/** A piece of work whose speed is the machine's limit. */
export interface Probe {
  run(): Promise<unknown>;
  release(): Promise<void>;
}

/** Reads `bytes` of memory as fast as ONNX Runtime can: a vector-matrix product over more memory than caches hold. */
export async function bandwidthProbe(provider: ExecutionProvider): Promise<Probe & { readonly bytes: number }> {
  const rows = 8192;
  const columns = 16_384;
  const graph = new GraphBuilder('bandwidth');
  const matrix = graph.input('m', 'float32', [rows, columns]);
  graph.output('y', graph.op('MatMul', [graph.input('x', 'float32', [1, rows]), matrix]), 'float32');
  const session = await provider.createSession({ bytes: graph.encode() });
  const m = new Tensor('float32', new Float32Array(rows * columns).fill(0.5), [rows, columns]);
  const x = new Tensor('float32', new Float32Array(rows).fill(0.5), [1, rows]);
  return { bytes: m.data.length * 4, run: () => session.run({ x, m }), release: () => session.release() };
}

/** A large float32 matrix product of `flops` multiplications and additions. */
export async function gemmProbe(provider: ExecutionProvider): Promise<Probe & { readonly flops: number }> {
  const [m, k, n] = [512, 4096, 4096];
  const graph = new GraphBuilder('gemm');
  const weights = graph.constant(new Float32Array(k * n).fill(0.01), [k, n]);
  const product = graph.op('MatMul', [graph.input('x', 'float32', [m, k]), weights]);
  graph.output('y', graph.op('ReduceMax', [product, graph.ints(1)]), 'float32');
  const session = await provider.createSession({ bytes: graph.encode() });
  const x = new Tensor('float32', new Float32Array(m * k).fill(0.5), [m, k]);
  return { flops: 2 * m * k * n, run: () => session.run({ x }), release: () => session.release() };
}
