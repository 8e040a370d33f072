import { KvLedger, prefill, type PrefillReport } from '@madakv/engine';
import { createPolicy, type PromptLayout } from '@madakv/madakv';
import type { ExecutionProvider } from '@madakv/onnx';
import { matrixWeights, openBenchModel, type BenchModel, type Progress, type ShapeOptions } from './bench.model.js';
import { gemmProbe, interleave, median, medianRatio } from './measure.js';

export interface PrefillBenchOptions extends ShapeOptions {
  readonly tokens: number;
  /** How many of them are the question, at the prompt's end. */
  readonly questionTokens: number;
  readonly chunkTokens: number;
  readonly ratio: number;
  readonly policy: string;
  readonly rounds: number;
}

export interface PrefillBenchReport {
  readonly shape: string;
  readonly layers: number;
  readonly tokens: number;
  readonly questionTokens: number;
  readonly chunkTokens: number;
  readonly tokensPerSecond: number;
  readonly gflops: number;
  /** GFLOP/s of a large float32 product in the same run. */
  readonly peakGflops: number;
  readonly ofPeak: number;
  /** Scoring and selecting over the forward pass. */
  readonly extraWork: number;
  /** Time in layer-major over chunk-major order. */
  readonly layerOverChunkMajor: number;
  readonly peakKvBytes: { readonly layerMajor: number; readonly chunkMajor: number };
}

/** Prefill speed of one model shape: against the machine's peak, with and without eviction, and in both orders. */
export async function benchPrefill(
  provider: ExecutionProvider,
  options: PrefillBenchOptions,
  onProgress: Progress,
): Promise<PrefillBenchReport> {
  const model = await openBenchModel(provider, options, onProgress);
  const { config } = model;
  const peak = await gemmProbe(provider);
  await run(model, { ...options, tokens: options.chunkTokens }, 'layer', () => undefined);
  const last: Partial<Record<'layer' | 'chunk', Timed>> = {};
  const forward = { layer: [] as number[], chunk: [] as number[] };
  const extra: number[] = [];
  const pass = async (order: 'layer' | 'chunk'): Promise<void> => {
    onProgress(`${options.tokens} tokens, ${order} by ${order}`);
    const timed = await run(model, options, order, onProgress);
    last[order] = timed;
    forward[order].push(timed.report.forwardMs);
    if (order === 'layer') extra.push((timed.report.observeMs + timed.report.evictMs) / timed.report.forwardMs);
  };
  const times = await interleave(
    { peak: () => peak.run(), layer: () => pass('layer'), peakAgain: () => peak.run(), chunk: () => pass('chunk') },
    options.rounds,
  );
  await peak.release();
  await model.sessions.release();
  const flops = prefillFlops(model, options.tokens);
  const forwardMs = median(forward.layer.slice(1));
  const peakMs = times.peak.map((ms, round) => Math.min(ms, times.peakAgain[round]));
  return {
    shape: options.shape,
    layers: config.layers,
    tokens: options.tokens,
    questionTokens: options.questionTokens,
    chunkTokens: options.chunkTokens,
    tokensPerSecond: (options.tokens / forwardMs) * 1000,
    gflops: flops / forwardMs / 1e6,
    peakGflops: peak.flops / median(peakMs) / 1e6,
    ofPeak: (flops / peak.flops) * medianRatio(peakMs, forward.layer.slice(1)),
    extraWork: median(extra.slice(1)),
    layerOverChunkMajor: medianRatio(forward.layer.slice(1), forward.chunk.slice(1)),
    peakKvBytes: { layerMajor: last.layer?.peakBytes ?? 0, chunkMajor: last.chunk?.peakBytes ?? 0 },
  };
}

interface Timed {
  readonly report: PrefillReport;
  readonly peakBytes: number;
}

async function run(
  { decoder, config }: BenchModel,
  options: PrefillBenchOptions,
  order: 'layer' | 'chunk',
  onProgress: Progress,
): Promise<Timed> {
  const { tokens, chunkTokens, ratio } = options;
  const layout = pageLayout(tokens, Math.min(tokens, options.questionTokens));
  const policy = createPolicy(options.policy);
  const selector = policy.start(
    layout,
    { layers: config.layers, heads: config.kvHeads },
    { tokensPerHead: Math.max(ratio * tokens, policy.minimumTokensPerHead(layout)) },
  );
  const ledger = new KvLedger();
  const own = {
    rows: tokens,
    embeddings: new Float32Array(tokens * config.hiddenSize).map((_, i) => Math.sin(i)),
    positions: Int32Array.from({ length: tokens }, (_, i) => i),
  };
  const member = { observation: policy.observe(layout), selector, ledger, logits: true };
  const shared = { rows: 0, embeddings: new Float32Array(0), positions: new Int32Array(0) };
  const steps = prefill(decoder, { axes: 1, shared, branches: [{ own, members: [member] }] }, ledger, {
    chunkTokens,
    order,
  });
  let next = await steps.next();
  while (next.done !== true) {
    if (next.value.done % 20 === 0) onProgress(`  ${next.value.done} of ${next.value.total}`);
    next = await steps.next();
  }
  const [outcome] = next.value;
  if (outcome.kind !== 'done') throw outcome.kind === 'failed' ? outcome.error : new Error('the prefill was abandoned');
  for (const cache of outcome.result.caches) cache.free();
  return { report: outcome.result.report, peakBytes: ledger.peakBytes };
}

/** A prompt of one page and a question at its end; where the question is all of it, of text alone. */
export function pageLayout(tokens: number, question: number): PromptLayout {
  const cols = 40;
  const rows = Math.floor((tokens - question) / cols);
  const modalityOf = new Uint8Array(tokens).fill(1, 0, rows * cols);
  return {
    tokens,
    heldBack: 0,
    modalities: ['text', 'visual'],
    modalityOf,
    grids: rows === 0 ? [] : [{ start: 0, rows, cols }],
    question: { start: tokens - question, end: tokens },
  };
}

/** Multiplications and additions of a prompt's matrices and its causal attention; the last layer's second half is for one token. */
export function prefillFlops({ config }: BenchModel, tokens: number): number {
  const { layer } = matrixWeights(config);
  const attention = 2 * config.heads * config.headDim * tokens * tokens;
  const qkv = config.hiddenSize * config.headDim * (config.heads + 2 * config.kvHeads);
  return (config.layers - 1) * (2 * layer * tokens + attention) + 2 * qkv * tokens;
}
