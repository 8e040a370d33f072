import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildModel, checkpointInput } from '@madakv/engine';
import { CheckpointError, openModel, type Precision } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { describe, expect, it } from 'vitest';
import { fixture, loadEngine, relativeError, request, temporaryCache } from './engine.fixture.js';

const cacheDir = temporaryCache();
const CHECKPOINTS = ['qwen-awq', 'qwen-gptq', 'llava-gptq', 'qwen-compressed'];

/** As they are stored, they answer like the reference: see parity.spec.ts. Here is what a precision adds to that. */
describe.each(CHECKPOINTS)('matrices of %s', (name) => {
  const asked = fixture(`${name} text`);

  it.each([
    [8, 0.05],
    [4, 0.6],
  ] as const)(
    'stay as they are with a precision of %d bits; the rest and what they are multiplied with is rounded',
    async (bits, tolerance) => {
      const engine = await loadEngine(asked.checkpoint, cacheDir, { precision: { kind: 'int', bits, blockSize: 32 } });
      const prompt = await engine.model.prepare(asked.messages, asked.images);
      const { firstLogits } = await engine.generate(request(prompt, { maxTokens: 1, wantFirstLogits: true }));
      expect(relativeError(firstLogits ?? new Float32Array(0), asked.float('last_logits'))).toBeLessThan(tolerance);
    },
  );

  it('cannot be made w8a8, and the error says what can', async () => {
    const build = buildModel(checkpointInput(openModel(asked.checkpoint)), cpuProvider(1), {
      precision: { kind: 'w8a8' },
      cacheDir,
    });
    await expect(build).rejects.toThrow(CheckpointError);
    await expect(build).rejects.toThrow(
      /its matrices are stored in (awq|gptq|compressed-tensors) already.* none, 4 and 8 keep them/,
    );
  });
});

describe('a built model', () => {
  /** Bytes of the graphs of layers, which hold the matrices. */
  async function stageBytes(checkpoint: string, precision: Precision): Promise<number> {
    const { dir } = await buildModel(checkpointInput(openModel(checkpoint)), cpuProvider(1), { precision, cacheDir });
    const layers = readdirSync(dir).filter((name) => /^stage-00[01]/.test(name));
    return layers.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
  }

  it('of stored codes takes no more than one that was rounded here', async () => {
    const exact = await stageBytes(fixture('qwen-awq text').checkpoint, { kind: 'fp32' });
    const rounded = await stageBytes(fixture('qwen-plain text').checkpoint, { kind: 'int', bits: 4, blockSize: 32 });
    const full = await stageBytes(fixture('qwen-plain text').checkpoint, { kind: 'fp32' });
    expect(exact).toBeLessThan(1.2 * rounded);
    expect(exact).toBeLessThan(0.5 * full);
  });

  it('of FP8 may have any precision', async () => {
    const asked = fixture('qwen-fp8 text');
    const engine = await loadEngine(asked.checkpoint, cacheDir, { precision: { kind: 'w8a8' } });
    const prompt = await engine.model.prepare(asked.messages, asked.images);
    const { firstLogits } = await engine.generate(request(prompt, { maxTokens: 1, wantFirstLogits: true }));
    expect(relativeError(firstLogits ?? new Float32Array(0), asked.float('last_logits'))).toBeLessThan(0.1);
  });
});
