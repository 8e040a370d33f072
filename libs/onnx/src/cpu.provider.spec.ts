import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cpuProvider } from './cpu.provider.js';
import { GraphBuilder, type Value } from './graph.builder.js';
import { Tensor, type Session } from './provider.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'madakv-onnx-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const K = 64;
const N = 192;
const BLOCK = 32;

/** Two products with quantised matrices of their own, in one graph; their bytes lie in a file. */
function twoProducts(): Uint8Array {
  const graph = new GraphBuilder('two-products');
  const x = graph.input('x', 'float32', ['rows', K]);
  const bytes = new Uint8Array(4 * 16_384);
  const matrix = (index: number): Value[] => {
    const offset = index * 2 * 16_384;
    for (let i = 0; i < (N * K) / 2; i++) bytes[offset + i] = (i * (7 + 13 * index)) & 255;
    const scales = new Float32Array(bytes.buffer, offset + 16_384, (N * K) / BLOCK);
    scales.forEach((_, i) => (scales[i] = 0.01 * (1 + ((i + index) % 5))));
    const range = (at: number, length: number) => ({ location: 'weights.raw', offset: at, length });
    return [
      graph.external('weight', 'uint8', [N, K / BLOCK, BLOCK / 2], range(offset, (N * K) / 2)),
      graph.external('scale', 'float32', [(N * K) / BLOCK], range(offset + 16_384, scales.byteLength)),
    ];
  };
  for (const index of [0, 1]) {
    const attributes = { K, N, bits: 4, block_size: BLOCK, accuracy_level: 4 };
    graph.output(`y${index}`, graph.contrib('MatMulNBits', [x, ...matrix(index)], attributes), 'float32');
  }
  writeFileSync(join(dir, 'weights.raw'), bytes);
  return graph.encode();
}

async function results(session: Session): Promise<Float32Array[]> {
  const x = new Tensor(
    'float32',
    Float32Array.from({ length: 3 * K }, (_, i) => Math.sin(i)),
    [3, K],
  );
  const { y0, y1 } = await session.run({ x });
  await session.release();
  return [y0.data as Float32Array, y1.data as Float32Array];
}

describe('cpuProvider', () => {
  it('prepares a model whose results do not change, however many matrices it has', async () => {
    const provider = cpuProvider(1);
    const bytes = twoProducts();
    const direct = await results(await provider.createSession({ bytes, folder: dir }));
    const path = join(dir, 'prepared.onnx');
    await provider.prepare?.({ bytes, folder: dir }, path);
    rmSync(join(dir, 'weights.raw'));
    const prepared = await results(await provider.createSession({ path }, { asWritten: true }));
    expect(prepared).toEqual(direct);
    expect(direct[0]).not.toEqual(direct[1]);
  });

  it('runs on empty tensors: prefill and decoding share graphs by leaving rows out', async () => {
    const graph = new GraphBuilder('empty');
    const x = graph.input('x', 'float32', ['rows', 2]);
    const w = graph.constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
    graph.output('y', graph.op('Gemm', [x, w], { transB: 1 }), 'float32');
    const session = await cpuProvider(1).createSession({ bytes: graph.encode() });
    const { y } = await session.run({ x: new Tensor('float32', new Float32Array(0), [0, 2]) });
    expect(y.dims).toEqual([0, 2]);
    await session.release();
  });

  it('reads tensors in place from buffers that can be freed', async () => {
    const graph = new GraphBuilder('resizable');
    graph.output('y', graph.op('Neg', [graph.input('x', 'float32', [2])]), 'float32');
    const session = await cpuProvider(1).createSession({ bytes: graph.encode() });
    const buffer = new ArrayBuffer(16, { maxByteLength: 16 });
    const data = new Float32Array(buffer, 8, 2).fill(3);
    const { y } = await session.run({ x: new Tensor('float32', data, [2]) });
    expect([...(y.data as Float32Array)]).toEqual([-3, -3]);
    await session.release();
  });
});
