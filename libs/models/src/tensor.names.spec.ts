import { describe, expect, it } from 'vitest';
import { llavaTensorName } from './llava/llava.tensors.js';
import { qwen2VlTensorName } from './qwen2_vl/qwen2.vl.family.js';
import { qwenVlTensorName } from './qwen_vl/tower.tensors.js';
import { textTensorName } from './text/text.family.js';

describe('tensor names', () => {
  it.each([
    ['model.layers.0.mlp.up_proj.weight', 'decoder.layers.0.mlp.up_proj.weight'],
    ['model.language_model.layers.0.mlp.up_proj.weight', 'decoder.layers.0.mlp.up_proj.weight'],
    ['model.embed_tokens.weight', 'decoder.embed_tokens.weight'],
    ['model.norm.weight', 'decoder.norm.weight'],
    ['visual.blocks.0.attn.qkv.bias', 'vision.blocks.0.attn.qkv.bias'],
    ['model.visual.merger.ln_q.weight', 'vision.merger.ln_q.weight'],
    ['lm_head.weight', 'lm_head.weight'],
    ['model.rotary_emb.inv_freq', undefined],
    ['optimizer.state', undefined],
  ])('Qwen: %s', (stored, name) => {
    expect(qwenVlTensorName(stored)).toBe(name);
  });

  it.each([
    ['language_model.model.layers.0.self_attn.q_proj.weight', 'decoder.layers.0.self_attn.q_proj.weight'],
    ['model.language_model.layers.0.self_attn.q_proj.weight', 'decoder.layers.0.self_attn.q_proj.weight'],
    ['language_model.lm_head.weight', 'lm_head.weight'],
    ['lm_head.weight', 'lm_head.weight'],
    ['vision_tower.vision_model.pre_layrnorm.bias', 'vision.pre_layrnorm.bias'],
    ['model.vision_tower.vision_model.pre_layrnorm.bias', 'vision.pre_layrnorm.bias'],
    ['model.vision_tower.pre_layrnorm.bias', 'vision.pre_layrnorm.bias'],
    ['multi_modal_projector.linear_1.bias', 'projector.linear_1.bias'],
    ['model.multi_modal_projector.linear_1.bias', 'projector.linear_1.bias'],
    ['vision_tower.vision_model.embeddings.position_ids', undefined],
  ])('LLaVA: %s', (stored, name) => {
    expect(llavaTensorName(stored)).toBe(name);
  });

  it.each([
    ['visual.merger.ln_q.bias', 'vision.merger.norm.bias'],
    ['model.visual.merger.mlp.0.weight', 'vision.merger.linear_fc1.weight'],
    ['visual.merger.mlp.2.bias', 'vision.merger.linear_fc2.bias'],
    ['visual.blocks.11.mlp.fc2.weight', 'vision.blocks.11.mlp.linear_fc2.weight'],
    ['model.layers.0.mlp.up_proj.weight', 'decoder.layers.0.mlp.up_proj.weight'],
  ])('Qwen2-VL: %s', (stored, name) => {
    expect(qwen2VlTensorName(stored)).toBe(name);
  });

  it.each([
    ['model.layers.0.self_attn.q_norm.weight', 'decoder.layers.0.self_attn.q_norm.weight'],
    ['layers.0.self_attn.q_norm.weight', 'decoder.layers.0.self_attn.q_norm.weight'],
    ['lm_head.weight', 'lm_head.weight'],
    ['model.layers.0.self_attn.rotary_emb.inv_freq', undefined],
    ['score.weight', undefined],
  ])('text: %s', (stored, name) => {
    expect(textTensorName(stored)).toBe(name);
  });
});
