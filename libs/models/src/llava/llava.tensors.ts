import { decoderTensors, layerNormTensors, linear } from '../decoder.tensors.js';
import type { TensorSpec } from '../family.js';
import type { LlavaConfig } from './llava.vision.config.js';

/** Prefixes of today's files (`model.language_model`, `model.vision_tower`) and of the older ones. */
const renames: readonly (readonly [RegExp, string])[] = [
  [/^(?:model\.)?vision_tower\.(?:vision_model\.)?/, 'vision.'],
  [/^(?:model\.)?multi_modal_projector\./, 'projector.'],
  [/^(?:language_model\.)?lm_head\./, 'lm_head.'],
  [/^model\.language_model\.(?:model\.)?/, 'decoder.'],
  [/^language_model\.model\./, 'decoder.'],
];

export function llavaTensorName(name: string): string | undefined {
  if (name.endsWith('.inv_freq') || name.endsWith('.position_ids')) return undefined;
  const rename = renames.find(([pattern]) => pattern.test(name));
  return rename && name.replace(rename[0], rename[1]);
}

/** The tensors LLaVA needs: layers of the tower behind the last feature layer are not among them. */
export function llavaTensors({ decoder, vision }: LlavaConfig): TensorSpec[] {
  const { hiddenSize: hidden, intermediateSize: inner, patchSize: patch } = vision;
  const patches = Math.floor(vision.imageSize / patch) ** 2;
  const features = hidden * vision.featureLayers.length;
  const specs: TensorSpec[] = [
    ...decoderTensors(decoder),
    { name: 'vision.embeddings.class_embedding', shape: [hidden] },
    { name: 'vision.embeddings.patch_embedding.weight', shape: [hidden, vision.channels, patch, patch] },
    { name: 'vision.embeddings.position_embedding.weight', shape: [patches + 1, hidden] },
    ...layerNormTensors('vision.pre_layrnorm', hidden),
    ...linear('projector.linear_1', decoder.hiddenSize, features, vision.projectorBias),
    ...linear('projector.linear_2', decoder.hiddenSize, decoder.hiddenSize, vision.projectorBias),
  ];
  for (let layer = 0; layer < Math.max(...vision.featureLayers); layer++) {
    const prefix = `vision.encoder.layers.${layer}`;
    specs.push(
      ...layerNormTensors(`${prefix}.layer_norm1`, hidden),
      ...layerNormTensors(`${prefix}.layer_norm2`, hidden),
      ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((projection) =>
        linear(`${prefix}.self_attn.${projection}`, hidden, hidden, true),
      ),
      ...linear(`${prefix}.mlp.fc1`, inner, hidden, true),
      ...linear(`${prefix}.mlp.fc2`, hidden, inner, true),
    );
  }
  return specs;
}
