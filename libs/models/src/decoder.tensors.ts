import type { DecoderConfig } from './decoder.config.js';
import type { TensorSpec } from './family.js';

/** The tensors of a decoder under their normalised names; matrices are `[out, in]`. */
export function decoderTensors(config: DecoderConfig): TensorSpec[] {
  const { hiddenSize, vocabSize } = config;
  const specs: TensorSpec[] = [
    { name: 'decoder.embed_tokens.weight', shape: [vocabSize, hiddenSize] },
    { name: 'decoder.norm.weight', shape: [hiddenSize] },
  ];
  for (let layer = 0; layer < config.layers; layer++) specs.push(...layerTensors(config, `decoder.layers.${layer}`));
  if (!config.tiedEmbeddings) specs.push({ name: 'lm_head.weight', shape: [vocabSize, hiddenSize] });
  return specs;
}

function layerTensors(config: DecoderConfig, prefix: string): TensorSpec[] {
  const { hiddenSize: hidden, intermediateSize: inner } = config;
  const queries = config.heads * config.headDim;
  const keys = config.kvHeads * config.headDim;
  return [
    { name: `${prefix}.input_layernorm.weight`, shape: [hidden] },
    { name: `${prefix}.post_attention_layernorm.weight`, shape: [hidden] },
    ...linear(`${prefix}.self_attn.q_proj`, queries, hidden, config.qkvBias),
    ...linear(`${prefix}.self_attn.k_proj`, keys, hidden, config.qkvBias),
    ...linear(`${prefix}.self_attn.v_proj`, keys, hidden, config.qkvBias),
    ...(config.qkNorm === true ? headNorms(`${prefix}.self_attn`, config.headDim) : []),
    ...linear(`${prefix}.self_attn.o_proj`, hidden, queries, config.outputBias),
    ...linear(`${prefix}.mlp.gate_proj`, inner, hidden, config.mlpBias),
    ...linear(`${prefix}.mlp.up_proj`, inner, hidden, config.mlpBias),
    ...linear(`${prefix}.mlp.down_proj`, hidden, inner, config.mlpBias),
  ];
}

function headNorms(prefix: string, headDim: number): TensorSpec[] {
  return ['q_norm', 'k_norm'].map((part) => ({ name: `${prefix}.${part}.weight`, shape: [headDim] }));
}

/** Weight `[outputs, inputs]` and, where it has one, bias of a linear layer. */
export function linear(prefix: string, outputs: number, inputs: number, bias: boolean): TensorSpec[] {
  const weight = { name: `${prefix}.weight`, shape: [outputs, inputs] };
  return bias ? [weight, { name: `${prefix}.bias`, shape: [outputs] }] : [weight];
}

/** Gain and shift of a LayerNorm. */
export function layerNormTensors(prefix: string, size: number): TensorSpec[] {
  return ['weight', 'bias'].map((part) => ({ name: `${prefix}.${part}`, shape: [size] }));
}
