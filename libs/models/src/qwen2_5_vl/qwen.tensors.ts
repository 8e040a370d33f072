import { decoderTensors, linear } from '../decoder.tensors.js';
import type { TensorSpec } from '../family.js';
import type { QwenConfig } from './qwen.vision.config.js';

/** All tensors of a Qwen2.5-VL model. The patch embedding is `[hidden, channels, frames, patch, patch]`. */
export function qwenTensors({ decoder, vision }: QwenConfig): TensorSpec[] {
  const { hiddenSize: hidden, intermediateSize: inner, patchSize: patch } = vision;
  const merged = hidden * vision.mergeSize ** 2;
  const specs: TensorSpec[] = [
    ...decoderTensors(decoder),
    {
      name: 'vision.patch_embed.proj.weight',
      shape: [hidden, vision.channels, vision.temporalPatchSize, patch, patch],
    },
    { name: 'vision.merger.ln_q.weight', shape: [hidden] },
    ...linear('vision.merger.mlp.0', merged, merged, true),
    ...linear('vision.merger.mlp.2', vision.outputSize, merged, true),
  ];
  for (let layer = 0; layer < vision.layers; layer++) {
    const prefix = `vision.blocks.${layer}`;
    specs.push(
      { name: `${prefix}.norm1.weight`, shape: [hidden] },
      { name: `${prefix}.norm2.weight`, shape: [hidden] },
      ...linear(`${prefix}.attn.qkv`, 3 * hidden, hidden, true),
      ...linear(`${prefix}.attn.proj`, hidden, hidden, true),
      ...linear(`${prefix}.mlp.gate_proj`, inner, hidden, true),
      ...linear(`${prefix}.mlp.up_proj`, inner, hidden, true),
      ...linear(`${prefix}.mlp.down_proj`, hidden, inner, true),
    );
  }
  return specs;
}
