import {
  decodeLikeliest,
  keptRowBytes,
  kvGeometry,
  KvLedger,
  prefill,
  promptBufferBytes,
  type HalfOrFull,
  type LayerCache,
  type StepInput,
} from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { Precision } from '@madakv/models';
import { GraphBuilder, Tensor, type ExecutionProvider } from '@madakv/onnx';
import { matrixWeights, openBenchModel, type BenchModel, type Progress } from './bench.model.js';
import { median, type Probe } from './measure.js';
import { pageLayout, prefillFlops } from './prefill.bench.js';

export interface DeviceBenchOptions {
  readonly shape: string;
  readonly layers?: number;
  readonly cacheDir?: string;
  /** Tokens of the prompts. */
  readonly contexts: readonly number[];
  /** Shares of the cache that are kept. */
  readonly ratios: readonly number[];
  /** Sequences that decode together, ascending. */
  readonly widths: readonly number[];
  readonly chunkTokens: number;
  /** Measured decode steps. */
  readonly steps: number;
  /** Prefills one after the other, after which no byte may be left. */
  readonly jobs: number;
}

export interface DeviceBenchReport {
  readonly precision: string;
  readonly prefills: readonly {
    readonly tokens: number;
    readonly ratio: number;
    readonly tokensPerSecond: number;
    readonly gflops: number;
    /** Cache allocated at most, and after eviction. */
    readonly peakBytes: number;
    readonly keptBytes: number;
  }[];
  readonly decodes: readonly {
    readonly tokens: number;
    readonly ratio: number;
    readonly width: number;
    readonly stepMs: number;
    /** Weights and cache that a step reads, over its time. */
    readonly gigabytesPerSecond: number;
  }[];
  /**
   * Of cache: the most that a job allocated, the most over what its lease would be, and what was left after all. What the driver itself
   * allocates nobody tells.
   */
  readonly jobs: {
    readonly count: number;
    readonly peakBytes: number;
    readonly peakOverLease: number;
    readonly leftBytes: number;
  };
}

/** A prompt's caches and how it went. */
interface Prefilled {
  readonly caches: readonly LayerCache[];
  readonly ms: number;
  readonly ledger: KvLedger;
}

/** Speed and memory of one model shape on a device. Times are those of the clock, up to a result that was read. */
export async function benchDevice(
  provider: ExecutionProvider,
  weights: { readonly precision: Precision; readonly kvPrecision: HalfOrFull; readonly bytesPerWeight: number },
  options: DeviceBenchOptions,
  onProgress: Progress,
): Promise<DeviceBenchReport> {
  const { precision, kvPrecision, bytesPerWeight } = weights;
  const model = await openBenchModel(provider, { ...options, precision, kvPrecision }, onProgress);
  const { layer, head } = matrixWeights(model.config);
  const weightBytes = (model.config.layers * layer + head) * bytesPerWeight;
  const prefills: DeviceBenchReport['prefills'][number][] = [];
  const decodes: DeviceBenchReport['decodes'][number][] = [];
  // Shaders are compiled by what first needs them.
  free(await run(model, options.contexts[0], 1, options.chunkTokens));
  for (const tokens of options.contexts) {
    for (const ratio of options.ratios) {
      onProgress(`${tokens} tokens, ${100 * ratio} % of the cache`);
      const done = await run(model, tokens, ratio, options.chunkTokens);
      const keptBytes = done.ledger.bytes;
      const gflops = prefillFlops(model, tokens) / done.ms / 1e6;
      const tokensPerSecond = (tokens / done.ms) * 1_000;
      prefills.push({ tokens, ratio, tokensPerSecond, gflops, peakBytes: done.ledger.peakBytes, keptBytes });
      const batch = [done];
      for (const width of options.widths) {
        while (batch.length < width) batch.push(await run(model, tokens, ratio, options.chunkTokens));
        const stepMs = await decode(model, batch.slice(0, width), tokens, options.steps);
        const bytes = weightBytes + width * keptBytes;
        decodes.push({ tokens, ratio, width, stepMs, gigabytesPerSecond: bytes / stepMs / 1e6 });
      }
      batch.forEach(free);
    }
  }
  const geometry = kvGeometry(model.config, provider.name, kvPrecision);
  const jobs = { count: options.jobs, peakBytes: 0, peakOverLease: 0, leftBytes: 0 };
  const [tokens] = options.contexts;
  for (let job = 0; job < options.jobs; job++) {
    const ratio = options.ratios[job % options.ratios.length];
    const done = await run(model, tokens, ratio, options.chunkTokens);
    const { peakBytes } = done.ledger;
    const kept = ratio * tokens * model.config.layers * keptRowBytes(geometry);
    jobs.peakBytes = Math.max(jobs.peakBytes, peakBytes);
    jobs.peakOverLease = Math.max(jobs.peakOverLease, peakBytes / (kept + promptBufferBytes(geometry, tokens)));
    free(done);
    jobs.leftBytes += done.ledger.bytes;
  }
  await model.sessions.release();
  const kind = precision.kind === 'int' ? `${precision.bits} bit` : precision.kind;
  return { precision: `${kind}, cache ${kvPrecision}`, prefills, decodes, jobs };
}

async function run(model: BenchModel, tokens: number, ratio: number, chunkTokens: number): Promise<Prefilled> {
  const { decoder, config } = model;
  const layout = pageLayout(tokens, 32);
  const policy = createPolicy(ratio === 1 ? 'full' : 'madakv');
  const grant = { tokensPerHead: Math.max(ratio * tokens, policy.minimumTokensPerHead(layout)) };
  const selector = policy.start(layout, { layers: config.layers, heads: config.kvHeads }, grant);
  const ledger = new KvLedger();
  const own = {
    rows: tokens,
    embeddings: new Float32Array(tokens * config.hiddenSize).map((_, i) => Math.sin(i)),
    positions: Int32Array.from({ length: tokens }, (_, i) => i),
  };
  const member = { observation: policy.observe(layout), selector, ledger, logits: true };
  const shared = { rows: 0, embeddings: new Float32Array(0), positions: new Int32Array(0) };
  const group = { axes: 1, shared, branches: [{ own, members: [member] }] } as const;
  const started = performance.now();
  const steps = prefill(decoder, group, ledger, { chunkTokens, order: 'layer' });
  let next = await steps.next();
  while (next.done !== true) next = await steps.next();
  const [outcome] = next.value;
  if (outcome.kind !== 'done') throw outcome.kind === 'failed' ? outcome.error : new Error('the prefill was abandoned');
  return { caches: outcome.result.caches, ms: performance.now() - started, ledger };
}

/** @returns milliseconds of a step, the median. Each step reads its tokens, so it has ended. */
async function decode(model: BenchModel, batch: readonly Prefilled[], tokens: number, steps: number): Promise<number> {
  const embedding = new Float32Array(model.config.hiddenSize).fill(0.1);
  const times: number[] = [];
  for (let step = -2; step < steps; step++) {
    const position = Int32Array.of(tokens + step + 2);
    const inputs = batch.map(({ caches }): StepInput => ({ embedding, position, caches }));
    const started = performance.now();
    await decodeLikeliest(model.decoder, inputs);
    if (step >= 0) times.push(performance.now() - started);
  }
  return median(times);
}

function free({ caches }: Prefilled): void {
  for (const cache of caches) cache.free();
}

/** Reads and writes a device's memory: `bytes` a run, of which one number is read back. */
export async function deviceBandwidthProbe(
  provider: ExecutionProvider,
  values: number,
): Promise<Probe & { bytes: number }> {
  const graph = new GraphBuilder('device-bandwidth');
  const passes = 8;
  const one = graph.constant(Float32Array.of(0.5), [1, 1]);
  let x = graph.op('Expand', [one, graph.input('shape', 'int64', [2])]);
  for (let pass = 0; pass < passes; pass++) x = graph.op('Mul', [x, graph.scalar(1.5)]);
  graph.output('y', graph.op('Slice', [x, graph.ints(0), graph.ints(1), graph.ints(1)]), 'float32');
  const session = await provider.createSession({ bytes: graph.encode() }, { asWritten: true });
  const shape = new Tensor('int64', BigInt64Array.of(1024n, BigInt(values / 1024)), [2]);
  // Once more it is written at first.
  return {
    bytes: (2 * passes + 1) * values * Float32Array.BYTES_PER_ELEMENT,
    run: () => session.run({ shape }),
    release: () => session.release(),
  };
}
