import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { decoderTensors } from '../decoder.tensors.js';
import type { DecoderConfig } from '../decoder.config.js';
import type { TensorSpec } from '../family.js';
import { writeSafetensors, type TensorToWrite } from '../testing/safetensors.writer.js';
import { CheckpointFolder } from './checkpoint.folder.js';
import { Weights } from './weights.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-large-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

/** The decoder of Qwen2.5-VL-72B. */
const config: DecoderConfig = {
  hiddenSize: 8192,
  layers: 80,
  heads: 64,
  kvHeads: 8,
  headDim: 128,
  intermediateSize: 29568,
  vocabSize: 152064,
  maxPositions: 32768,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
  rope: { theta: 1e6, scaling: { kind: 'none' }, sections: [16, 24, 24] },
  qkvBias: true,
  outputBias: false,
  mlpBias: false,
  tiedEmbeddings: false,
};
const GROUP = 128;
const SHARD_BYTES = 4e9;
/** Memory that reading the headers may take, in bytes: some MiB of names, and never a tensor. */
const LIMIT = 64 * 2 ** 20;

/** A tensor of which nothing is written but its place. */
const empty = (dtype: string, bytesEach: number, shape: number[]): TensorToWrite => ({
  dtype,
  shape,
  data: { byteLength: shape.reduce((product, dim) => product * dim, bytesEach) },
});

function stored({ name, shape }: TensorSpec, isPacked: boolean): [string, TensorToWrite][] {
  const [outputs, inputs] = shape;
  if (!isPacked || !name.endsWith('_proj.weight')) return [[name, empty('BF16', 2, shape)]];
  const base = name.replace(/weight$/, '');
  return [
    [`${base}qweight`, empty('I32', 4, [inputs, outputs / 8])],
    [`${base}qzeros`, empty('I32', 4, [inputs / GROUP, outputs / 8])],
    [`${base}scales`, empty('F16', 2, [inputs / GROUP, outputs])],
  ];
}

/** Writes shards that hold nothing but their headers, as long as they would be. @returns bytes of all tensors */
function write(specs: readonly TensorSpec[], isPacked: boolean): number {
  const map: Record<string, string> = {};
  let [total, bytes, shard] = [0, 0, 0];
  let tensors: Record<string, TensorToWrite> = {};
  const flush = (): void => {
    writeSafetensors(join(dir, `model-${shard}.safetensors`), tensors);
    [tensors, bytes, shard] = [{}, 0, shard + 1];
  };
  for (const [name, tensor] of specs.flatMap((spec) => stored(spec, isPacked))) {
    if (bytes > 0 && bytes + tensor.data.byteLength > SHARD_BYTES) flush();
    tensors[name] = tensor;
    map[name] = `model-${shard}.safetensors`;
    bytes += tensor.data.byteLength;
    total += tensor.data.byteLength;
  }
  flush();
  writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  const quantised = { quant_method: 'awq', bits: 4, group_size: GROUP, version: 'gemm' };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(isPacked ? { quantization_config: quantised } : {}));
  return total;
}

it.each([
  ['in two bytes a weight', false, 140e9],
  ['in AWQ', true, 38e9],
])('an index of 70B parameters is read and checked in little memory, %s', (_, isPacked, least) => {
  const specs = decoderTensors(config);
  expect(write(specs, isPacked)).toBeGreaterThan(least);
  const before = process.memoryUsage();
  const weights = Weights.open(new CheckpointFolder(dir), (name) => name);
  weights.verify(specs);
  const after = process.memoryUsage();
  expect(weights.names).toHaveLength(specs.length);
  expect(weights.files.length).toBeGreaterThan(9);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(LIMIT);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(LIMIT);
  expect(weights.packed('decoder.layers.79.self_attn.k_proj.weight', [1024, 8192])?.packed.length).toBe(isPacked ? 4_194_304 : undefined);
});
