import { z } from 'zod';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { Activation } from '../config/activations.js';
import { CONFIG, positive } from '../config/config.file.js';
import { ropeKeys } from '../config/rope.settings.js';
import type { PatchShape } from './qwen.vl.config.js';

/**
 * The vision transformer of Qwen2-VL and Qwen3-VL: LayerNorm, rows and columns as rotary positions, attention to the whole image, and a
 * merger behind it that makes a visual token of a square of patches.
 */
export interface TowerConfig extends PatchShape {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly channels: number;
  readonly hiddenAct: Activation;
  /** Hidden size of the decoder. */
  readonly outputSize: number;
  readonly ropeTheta: number;
  readonly patchBias: boolean;
  /** Learned position embeddings: points along one side of their square, which is stretched over the image. */
  readonly positionSide?: number;
  /**
   * DeepStack (arXiv:2406.04334): mergers of their own behind some of the layers, by layer. What they make is added behind the decoder's
   * first layers, in this order.
   */
  readonly deepStack: readonly { readonly layer: number; readonly merger: number }[];
}

/** Keys of `vision_config` that all of Qwen's towers have. */
export const towerSchema = z.looseObject({
  depth: positive.default(32),
  num_heads: positive.default(16),
  in_channels: positive.optional(),
  in_chans: positive.optional(),
  patch_size: positive.default(14),
  spatial_merge_size: positive.default(2),
  temporal_patch_size: positive.default(2),
  ...ropeKeys,
});

/** What those keys say. */
export function towerShape(
  vision: z.infer<typeof towerSchema>,
): PatchShape & Pick<TowerConfig, 'layers' | 'heads' | 'channels' | 'ropeTheta'> {
  return {
    layers: vision.depth,
    heads: vision.num_heads,
    channels: vision.in_channels ?? vision.in_chans ?? 3,
    patchSize: vision.patch_size,
    temporalPatchSize: vision.temporal_patch_size,
    mergeSize: vision.spatial_merge_size,
    ropeTheta: (vision.rope_scaling ?? vision.rope_parameters)?.rope_theta ?? vision.rope_theta ?? 10_000,
  };
}

/** @throws CheckpointError `bad_value` where the tower's output is not what the decoder takes */
export function requireOutput(folder: CheckpointFolder, key: string, size: number, decoderSize: number): void {
  if (size === decoderSize) return;
  throw new CheckpointError(
    'bad_value',
    `${folder.path(CONFIG)}: vision_config.${key} ${size} is not hidden_size ${decoderSize}`,
  );
}

/** Rotary positions take a quarter of a head each for sines and cosines of rows and columns. @throws CheckpointError `bad_value` */
export function requireQuarters(folder: CheckpointFolder, headDim: number): void {
  if (headDim % 4 === 0) return;
  throw new CheckpointError(
    'bad_value',
    `${folder.path(CONFIG)}: vision_config has heads of ${headDim}, which 4 does not divide`,
  );
}
