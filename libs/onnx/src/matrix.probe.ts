import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphBuilder, type Value } from './graph.builder.js';
import type { ExecutionProvider } from './provider.js';
import type { DataType } from './schema.js';

/** Larger than one panel of any kernel, and no multiple of one. */
const INPUTS = 160;
const OUTPUTS = 104;
const BLOCK = 32;
/** Output channels of a convolution: whole panels of the widest kernel, as layouts of their own are for those only. */
const CHANNELS = 32;
const PATCH = 4;

/**
 * What a provider makes of matrices when it prepares a model: a hash of a small prepared model with a product of every kind that
 * graphs here have. ONNX Runtime packs them for the instructions it finds; processors of one name differ in those (virtual machines
 * and emulators hide some), so that only what comes out tells whether a model prepared elsewhere fits.
 */
export async function preparedMatrices(prepare: NonNullable<ExecutionProvider['prepare']>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'madakv-probe-'));
  try {
    const path = join(folder, 'probe.onnx');
    await prepare({ bytes: everyProduct(folder), folder }, path);
    const hash = createHash('sha256');
    for (const file of [path, `${path}.bin`]) hash.update(readFileSync(file));
    return hash.digest('hex').slice(0, 16);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function everyProduct(folder: string): Uint8Array {
  const graph = new GraphBuilder('matrices');
  const x = graph.input('x', 'float32', ['rows', INPUTS]);
  const codes = graph.input('codes', 'uint8', ['rows', INPUTS]);
  const matrix = (name: string, type: DataType, dims: readonly number[], bytes: Uint8Array): Value => {
    const location = `${name}.raw`;
    writeFileSync(join(folder, location), bytes);
    return graph.external(name, type, dims, { location, offset: 0, length: bytes.length });
  };
  const floats = (length: number): Uint8Array =>
    new Uint8Array(Float32Array.from({ length }, (_, i) => Math.sin(i)).buffer);
  const mixed = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 89) % 251);
  const output = (name: string, value: Value): void => {
    graph.output(name, value, 'float32');
  };
  const weight = matrix('float', 'float32', [OUTPUTS, INPUTS], floats(OUTPUTS * INPUTS));
  output('product', graph.op('Gemm', [x, weight], { transB: 1 }));
  const kernel = matrix('kernel', 'float32', [CHANNELS, 3, PATCH, PATCH], floats(CHANNELS * 3 * PATCH * PATCH));
  const pixels = graph.input('pixels', 'float32', [1, 3, 4 * PATCH, 4 * PATCH]);
  output('patches', graph.op('Conv', [pixels, kernel], { strides: [PATCH, PATCH], kernel_shape: [PATCH, PATCH] }));
  const blocks = INPUTS / BLOCK;
  for (const bits of [4, 8]) {
    const bytes = (BLOCK * bits) / 8;
    const packed = matrix(`bits${bits}`, 'uint8', [OUTPUTS, blocks, bytes], mixed(OUTPUTS * blocks * bytes));
    const scales = matrix(`scales${bits}`, 'float32', [OUTPUTS * blocks], floats(OUTPUTS * blocks));
    const attributes = { K: INPUTS, N: OUTPUTS, bits, block_size: BLOCK, accuracy_level: 4 };
    output(`product${bits}`, graph.contrib('MatMulNBits', [x, packed, scales], attributes));
  }
  for (const type of ['int8', 'uint8'] as const) {
    const weights = matrix(type, type, [INPUTS, OUTPUTS], mixed(INPUTS * OUTPUTS));
    const one = graph.scalar(1);
    output(`product_${type}`, graph.contrib('MatMulIntegerToFloat', [codes, weights, one, one]));
  }
  return graph.encode();
}
