import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../checkpoint.error.js';
import { CheckpointFolder } from '../checkpoint.folder.js';
import { readQuantisation, type Quantisation } from './quantisation.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-quantisation-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

function of(config: unknown): Quantisation {
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  return readQuantisation(new CheckpointFolder(dir));
}
const quantised = (settings: Record<string, unknown>): Quantisation => of({ quantization_config: settings });
const compressed = (settings: Record<string, unknown>, group: Record<string, unknown> = {}): Quantisation =>
  quantised({
    quant_method: 'compressed-tensors',
    format: 'pack-quantized',
    config_groups: { group_0: { weights: { num_bits: 4, group_size: 128, symmetric: true }, ...group } },
    ...settings,
  });

describe('what config.json says of how matrices are stored', () => {
  it('is nothing for most', () => {
    expect(of({})).toEqual({ kind: 'none' });
    expect(of({ quantization_config: null, text_config: {} })).toEqual({ kind: 'none' });
  });

  it('is known for GPTQ of both formats', () => {
    expect(quantised({ quant_method: 'gptq', bits: 4, group_size: 128 })).toEqual({
      kind: 'gptq',
      groupSize: 128,
      zeroPoints: 'one less',
    });
    expect(quantised({ quant_method: 'gptq', group_size: -1, checkpoint_format: 'gptq_v2' })).toEqual({
      kind: 'gptq',
      groupSize: undefined,
      zeroPoints: 'same',
    });
  });

  it('is known for AWQ, by new and old names', () => {
    expect(quantised({ quant_method: 'awq', group_size: 64, version: 'GEMM' })).toEqual({ kind: 'awq', groupSize: 64 });
    expect(quantised({ quant_method: 'awq', q_group_size: 32, w_bit: 4 })).toEqual({ kind: 'awq', groupSize: 32 });
  });

  it('is known for compressed-tensors, wherever it stands', () => {
    const expected = { kind: 'compressed', groupSize: 128, isSymmetric: true };
    expect(compressed({})).toEqual(expected);
    const settings = {
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      config_groups: { group_0: { weights: { num_bits: 4, group_size: 128 }, input_activations: null } },
    };
    expect(of({ text_config: { quantization_config: settings } })).toEqual(expected);
    expect(of({ compression_config: settings })).toEqual(expected);
  });

  it('is known for FP8, with tiles or without', () => {
    expect(quantised({ quant_method: 'fp8', weight_block_size: [128, 128] })).toEqual({ kind: 'fp8', tile: [128, 128] });
    expect(quantised({ quant_method: 'fp8', activation_scheme: 'static' })).toEqual({ kind: 'fp8' });
    const floats = { weights: { num_bits: 8, type: 'float', strategy: 'channel' }, input_activations: { num_bits: 8 } };
    expect(compressed({ format: 'float-quantized' }, floats)).toEqual({ kind: 'fp8' });
  });

  it.each([
    ['bitsandbytes in 4 bit', { quant_method: 'bitsandbytes', load_in_4bit: true }, 'bitsandbytes (4 bit)'],
    ['bitsandbytes in 8 bit', { quant_method: 'bitsandbytes', load_in_8bit: true }, 'bitsandbytes (8 bit)'],
    ['another method', { quant_method: 'hqq' }, 'quant_method hqq; supported are awq, gptq,'],
    ['GPTQ for Marlin', { quant_method: 'gptq', checkpoint_format: 'marlin' }, 'gptq in the format marlin'],
    ['GPTQ for Marlin, as it was written before', { quant_method: 'gptq', is_marlin_format: true }, 'format marlin'],
    ['AWQ for another kernel', { quant_method: 'awq', version: 'gemv' }, 'awq in the format gemv; supported is gemm'],
    ['the AWQ of its authors', { quant_method: 'awq', backend: 'llm-awq' }, 'awq in the format llm-awq'],
  ])('refuses %s, and says what to pull instead', (_, settings, message) => {
    expect(() => quantised(settings)).toThrow(message);
    expect(() => quantised(settings)).toThrow(/config\.json: quantization_config: .*pull the checkpoint that it was made from/);
    expect(() => quantised(settings)).toThrow(CheckpointError);
  });

  it.each([
    ['another format', { format: 'int-quantized' }, {}, 'in the format int-quantized'],
    ['several formats', {}, { format: 'float-quantized' }, 'in the format mixed-precision'],
    ['4-bit floats', { format: 'nvfp4-pack-quantized' }, {}, 'in the format nvfp4-pack-quantized'],
    ['sparsity', { sparsity_config: { format: 'sparse-24-bitmask' } }, {}, 'sparsity sparse-24-bitmask'],
    ['rotations', { transform_config: { config_groups: { u: {} } } }, {}, 'transforms of activations'],
    ['rounded activations', {}, { input_activations: { num_bits: 8 } }, 'quantised activations'],
  ])('refuses compressed-tensors with %s', (_, settings, group, message) => {
    expect(() => compressed(settings, group)).toThrow(message);
  });

  it('names a value that cannot be', () => {
    expect(() => quantised({ quant_method: 'gptq', group_size: 'many' })).toThrow('quantization_config.group_size');
    expect(() => quantised({})).toThrow('quantization_config.quant_method');
  });
});
