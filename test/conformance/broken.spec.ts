import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, openModel, type CheckpointErrorCode } from '@madakv/models';
import { afterEach, describe, expect, it } from 'vitest';
import { FIXTURES } from './fixture.reader.js';

const folders: string[] = [];

/** A copy of a fixture's checkpoint that a test may break. */
function copyOf(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'madakv-broken-'));
  folders.push(folder);
  cpSync(join(FIXTURES, name, 'checkpoint'), folder, { recursive: true });
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

type Json = Record<string, unknown>;

function editJson(folder: string, file: string, edit: (json: Json) => void): void {
  const path = join(folder, file);
  const json = JSON.parse(readFileSync(path, 'utf8')) as Json;
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

/** Rewrites the header of a safetensors file; the data behind it stays. */
function editHeader(folder: string, edit: (header: Json) => void, file = 'model.safetensors'): void {
  const path = join(folder, file);
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Json;
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}

function failure(folder: string): CheckpointError {
  try {
    openModel(folder);
  } catch (error) {
    if (error instanceof CheckpointError) return error;
    throw error;
  }
  throw new Error('the folder was opened');
}

function expectFailure(folder: string, code: CheckpointErrorCode, ...message: (string | RegExp)[]): void {
  const error = failure(folder);
  expect(error.code).toBe(code);
  for (const part of message) expect(error.message).toMatch(part);
}

describe('a missing file is named', () => {
  it.each([
    ['config.json', /config\.json: no such file/],
    ['tokenizer.json', /tokenizer\.json: no such file/],
    ['model.safetensors', /neither model\.safetensors nor model\.safetensors\.index\.json/],
    ['preprocessor_config.json', /neither preprocessor_config\.json nor processor_config\.json/],
    ['chat_template.jinja', /no chat template; looked in chat_template\.jinja, chat_template\.json/],
  ])('%s', (file, message) => {
    const folder = copyOf('qwen-plain');
    rmSync(join(folder, file));
    expectFailure(folder, 'missing_file', message, folder);
  });

  it('a shard', () => {
    const folder = copyOf('qwen-bf16-sharded');
    rmSync(join(folder, 'model-00002-of-00003.safetensors'));
    expectFailure(
      folder,
      'missing_file',
      'model-00002-of-00003.safetensors: no such file',
      'model.safetensors.index.json',
    );
  });

  it('the folder itself', () => {
    expectFailure(join(tmpdir(), 'madakv-nowhere'), 'missing_file', /madakv-nowhere: no such folder/);
  });
});

describe('config.json', () => {
  it('of another architecture', () => {
    const folder = copyOf('qwen-plain');
    editJson(folder, 'config.json', (config) => (config['model_type'] = 'mamba'));
    expectFailure(folder, 'unknown_architecture', /config\.json: model_type mamba; known are .*qwen3_vl, .*llama/);
  });

  it.each([
    ['qwen3_moe', {}],
    ['qwen3_vl_moe', {}],
    ['mixtral', {}],
    ['glm5', { n_routed_experts: 8 }],
    ['kimi', { text_config: { num_experts: 8 } }],
  ])('of a mixture of experts (%s)', (type, keys) => {
    const folder = copyOf('qwen-plain');
    editJson(folder, 'config.json', (config) => Object.assign(config, { model_type: type, ...keys }));
    expectFailure(folder, 'unknown_architecture', `model_type ${type} is a mixture of experts, which is not supported`);
  });

  it('that is not JSON', () => {
    const folder = copyOf('qwen-plain');
    truncateSync(join(folder, 'config.json'), 100);
    expectFailure(folder, 'bad_json', /config\.json: not JSON/);
  });

  it('with a value of the wrong type', () => {
    const folder = copyOf('qwen-plain');
    editJson(folder, 'config.json', (config) => ((config['text_config'] as Json)['num_hidden_layers'] = 'two'));
    expectFailure(folder, 'bad_value', /config\.json: text_config\.num_hidden_layers/);
  });

  it.each(['dynamic', 'longrope', 'proportional'])('with rope type %s', (kind) => {
    const folder = copyOf('llava-plain');
    editJson(folder, 'config.json', (config) => {
      (config['text_config'] as Json)['rope_parameters'] = { rope_type: kind, factor: 2, rope_theta: 10000 };
    });
    expectFailure(folder, 'unsupported_rope', `rope type ${kind}; supported are default, mrope, linear, llama3, yarn`);
  });

  it.each([
    ['rope_parameters', { full_attention: { rope_type: 'default' } }, 'rope_parameters differ by kind of layer'],
    ['rope_scaling', { rope_type: 'default', partial_rotary_factor: 0.5 }, 'partial_rotary_factor 0.5; supported is 1'],
    ['partial_rotary_factor', 0.25, 'partial_rotary_factor 0.25; supported is 1'],
  ])('with %s of a kind that is not supported', (key, value, message) => {
    const folder = copyOf('qwen3-plain');
    editJson(folder, 'config.json', (config) => (config[key] = value));
    expectFailure(folder, 'unsupported_rope', message);
  });

  it('with M-RoPE of another order than its family’s', () => {
    const folder = copyOf('qwen-flat-tied');
    editJson(folder, 'config.json', (config) => {
      config['rope_scaling'] = { type: 'mrope', mrope_section: [2, 3, 3], mrope_interleaved: true };
    });
    expectFailure(folder, 'unsupported_rope', 'mrope_interleaved is true; supported for this model_type is false');
  });

  it('with an old rope setting that is not supported', () => {
    const folder = copyOf('qwen-flat-tied');
    editJson(folder, 'config.json', (config) => (config['rope_scaling'] = { type: 'su', factor: 2 }));
    expectFailure(folder, 'unsupported_rope', 'rope type su');
  });

  it('with a rope type that lacks its factor', () => {
    const folder = copyOf('llava-plain');
    editJson(folder, 'config.json', (config) => {
      (config['text_config'] as Json)['rope_parameters'] = { rope_type: 'linear' };
    });
    expectFailure(folder, 'bad_value', 'rope type linear without factor');
  });

  it('with sections that do not cover a head', () => {
    const folder = copyOf('qwen-flat-tied');
    editJson(folder, 'config.json', (config) => (config['rope_scaling'] = { type: 'mrope', mrope_section: [2, 2, 2] }));
    expectFailure(folder, 'bad_value', 'mrope_section covers 6 frequencies, heads of 16 have 8');
  });

  it.each([
    ['num_position_embeddings', 35, 'vision_config.num_position_embeddings 35 is no square'],
    ['out_hidden_size', 32, 'vision_config.out_hidden_size 32 is not hidden_size 64'],
    ['num_heads', 5, 'vision_config.hidden_size 32 is not a multiple of num_heads 5'],
    ['num_heads', 16, 'vision_config has heads of 2, which 4 does not divide'],
    ['patch_size', [16, 16], 'vision_config.patch_size'],
  ])('with a tower of Qwen3-VL of another %s', (key, value, message) => {
    const folder = copyOf('qwen3-vl-plain');
    editJson(folder, 'config.json', (config) => ((config['vision_config'] as Json)[key] = value));
    expectFailure(folder, 'bad_value', message);
  });

  it.each([
    ['image_grid_pinpoints', [[56, 100]], 'bad_value', 'image_grid_pinpoints has [56, 100], of which the tower'],
    ['image_grid_pinpoints', [[56, 112]], 'bad_value', 'image_grid_pinpoints are not those of config.json'],
    ['vision_feature_select_strategy', 'full', 'unsupported_feature', 'is full; supported: default'],
  ] as const)('with a LLaVA-NeXT of another %s', (key, value, code, message) => {
    const folder = copyOf('llava-next-plain');
    editJson(folder, 'config.json', (config) => (config[key] = value));
    expect(failure(folder)).toMatchObject({ code, message: expect.stringContaining(message) as string });
  });

  it('with a sliding window in every layer', () => {
    const folder = copyOf('mistral-plain');
    editJson(folder, 'config.json', (config) =>
      Object.assign(config, { sliding_window: 4096, max_position_embeddings: 32768 }),
    );
    expectFailure(folder, 'unsupported_feature', 'sliding_window asks for sliding window attention');
    editJson(folder, 'config.json', (config) => delete config['sliding_window']);
    expectFailure(folder, 'unsupported_feature', 'sliding_window asks for sliding window attention');
    editJson(folder, 'config.json', (config) => (config['sliding_window'] = null));
    expect(() => openModel(folder)).not.toThrow();
  });

  it('with a sliding window that YaRN makes prompts longer than', () => {
    const folder = copyOf('mistral-plain');
    const window = { sliding_window: 32_768, max_position_embeddings: 32_768 };
    editJson(folder, 'config.json', (config) => Object.assign(config, window));
    expect(() => openModel(folder)).not.toThrow();
    const scaling = { rope_type: 'yarn', type: 'yarn', factor: 4, original_max_position_embeddings: 32_768 };
    editJson(folder, 'config.json', (config) => {
      delete config['rope_parameters'];
      Object.assign(config, { rope_scaling: scaling, rope_theta: 10_000 });
    });
    expectFailure(folder, 'unsupported_feature', 'sliding_window asks for sliding window attention');
  });

  it('with another text model in LLaVA', () => {
    const folder = copyOf('llava-plain');
    editJson(folder, 'config.json', (config) => ((config['text_config'] as Json)['model_type'] = 'gpt2'));
    expectFailure(folder, 'unsupported_feature', 'text_config.model_type is gpt2; supported: llama, mistral, qwen2');
  });

  it('with heads that key-value heads do not divide', () => {
    const folder = copyOf('llava-plain');
    editJson(folder, 'config.json', (config) => ((config['text_config'] as Json)['num_key_value_heads'] = 3));
    expectFailure(folder, 'bad_value', 'num_attention_heads 4 is not a multiple of num_key_value_heads 3');
  });

  it.each([
    ['use_sliding_window', { use_sliding_window: true, sliding_window: 128, max_window_layers: 1, layer_types: null }],
    ['layer_types', { layer_types: ['full_attention', 'sliding_attention'], sliding_window: 128 }],
  ])('with a sliding window by %s', (key, settings) => {
    const folder = copyOf('qwen3-plain');
    editJson(folder, 'config.json', (config) => Object.assign(config, settings));
    expectFailure(folder, 'unsupported_feature', `config.json: ${key} asks for sliding window attention`);
    editJson(folder, 'config.json', (config) => (config['sliding_window'] = 4096));
    expect(() => openModel(folder)).not.toThrow();
  });

  it('with heads of odd size, and another activation', () => {
    const folder = copyOf('qwen3-plain');
    editJson(folder, 'config.json', (config) => (config['hidden_act'] = 'gelu'));
    expectFailure(folder, 'unsupported_feature', 'hidden_act is gelu; supported: silu');
    editJson(folder, 'config.json', (config) => Object.assign(config, { hidden_act: 'silu', head_dim: 15 }));
    expectFailure(folder, 'bad_value', 'head_dim 15 is odd');
  });

  it('with a sliding window', () => {
    const folder = copyOf('qwen-flat-tied');
    editJson(folder, 'config.json', (config) => {
      Object.assign(config, { use_sliding_window: true, sliding_window: 128, max_window_layers: 1 });
    });
    expectFailure(folder, 'unsupported_feature', 'sliding window');
  });
});

describe('weights', () => {
  it('with a tensor missing', () => {
    const folder = copyOf('qwen-plain');
    editHeader(folder, (header) => delete header['model.language_model.layers.1.mlp.up_proj.weight']);
    expectFailure(folder, 'missing_tensor', 'no tensor for decoder.layers.1.mlp.up_proj.weight');
  });

  it('with a tensor the index promises missing from its shard', () => {
    const folder = copyOf('qwen-bf16-sharded');
    const file = 'model-00003-of-00003.safetensors';
    editHeader(folder, (header) => delete header['lm_head.weight'], file);
    expectFailure(folder, 'missing_tensor', file, 'no tensor lm_head.weight');
  });

  it('with a tensor of another shape', () => {
    const folder = copyOf('llava-plain');
    editJson(folder, 'config.json', (config) => ((config['text_config'] as Json)['intermediate_size'] = 128));
    expectFailure(folder, 'tensor_shape', 'mlp.gate_proj.weight is [96, 64], config.json asks for [128, 64]');
  });

  it('with an unsupported number format', () => {
    const folder = copyOf('qwen-plain');
    editHeader(folder, (header) => ((header['lm_head.weight'] as Json)['dtype'] = 'I32'));
    expectFailure(folder, 'unsupported_dtype', 'lm_head.weight is I32; supported are F32, F16, BF16');
  });

  it('that end within the data', () => {
    const folder = copyOf('qwen-plain');
    const path = join(folder, 'model.safetensors');
    truncateSync(path, statSync(path).size - 1000);
    expectFailure(
      folder,
      'truncated_safetensors',
      /model\.safetensors: .* ends at byte \d+, but the file has only \d+/,
    );
  });

  it('that end within the header', () => {
    const folder = copyOf('qwen-plain');
    truncateSync(join(folder, 'model.safetensors'), 500);
    expectFailure(folder, 'truncated_safetensors', /header of \d+ bytes, but the file has only 500/);
  });

  it('that are empty', () => {
    const folder = copyOf('qwen-plain');
    truncateSync(join(folder, 'model.safetensors'), 0);
    expectFailure(folder, 'truncated_safetensors', '0 bytes, too short to hold a header');
  });

  it('that are something else', () => {
    const folder = copyOf('qwen-plain');
    writeFileSync(join(folder, 'model.safetensors'), '<!DOCTYPE html><html>not found</html>');
    expectFailure(folder, 'bad_safetensors', 'not a safetensors file');
  });

  it('with a header that contradicts itself', () => {
    const folder = copyOf('qwen-plain');
    editHeader(folder, (header) => ((header['lm_head.weight'] as Json)['shape'] = [7, 7]));
    expectFailure(folder, 'bad_safetensors', /lm_head\.weight is F32 \[7, 7\] but holds \d+ bytes/);
  });
});

describe('the rest of the folder', () => {
  it('with a template that cannot be parsed', () => {
    const folder = copyOf('qwen-plain');
    writeFileSync(join(folder, 'chat_template.jinja'), '{% for message in messages %}{{ message.content }}');
    expectFailure(folder, 'bad_template', /chat_template\.jinja: /);
  });

  it('with a tokenizer that lacks the image placeholder', () => {
    const folder = copyOf('qwen-plain');
    editJson(folder, 'config.json', (config) => (config['image_token_id'] = 9999));
    expectFailure(folder, 'bad_tokenizer', /no token has the id 9999/);
  });

  it('with a tokenizer of an unknown decoder', () => {
    const folder = copyOf('qwen-plain');
    editJson(folder, 'tokenizer.json', (json) => (json['decoder'] = { type: 'WordPiece' }));
    expectFailure(folder, 'bad_tokenizer', 'decoder WordPiece is not supported');
  });

  it('with an image processor for other patches', () => {
    const folder = copyOf('qwen-plain');
    editJson(folder, 'preprocessor_config.json', (json) => (json['patch_size'] = 16));
    expectFailure(folder, 'bad_value', /preprocessor_config\.json: patch_size 16, but the vision tower's is 14/);
  });

  it('with an image processor for another tower', () => {
    const folder = copyOf('llava-old-f16');
    editJson(folder, 'preprocessor_config.json', (json) => (json['crop_size'] = { height: 224, width: 224 }));
    expectFailure(folder, 'bad_value', 'makes images of 224 x 224, the vision tower takes 56 x 56');
  });

  it('with a filter that is not supported', () => {
    const folder = copyOf('llava-old-f16');
    editJson(folder, 'preprocessor_config.json', (json) => (json['resample'] = 1));
    expectFailure(folder, 'unsupported_feature', 'resample 1; supported are 2 (bilinear) and 3 (bicubic)');
  });
});
