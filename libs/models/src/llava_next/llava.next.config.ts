import type { ModelConfig } from '../family.js';
import type { ClipVisionConfig } from '../llava/llava.vision.config.js';
import type { Tiling } from './tiling.js';

export type LlavaNextVisionConfig = ClipVisionConfig & { readonly tiling: Tiling };
export type LlavaNextConfig = ModelConfig<LlavaNextVisionConfig>;

/** Normalised name of what stands for the end of a row of cells. */
export const NEW_LINE = 'projector.image_newline';
