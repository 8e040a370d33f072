import type { ModelFamily } from '../family.js';
import { parseLlavaConfig } from './llava.config.js';
import { llavaImageProcessor } from './llava.image.processor.js';
import { sequentialPositions } from '../text/sequential.positions.js';
import { llavaTensorName, llavaTensors } from './llava.tensors.js';
import type { LlavaConfig } from './llava.vision.config.js';

/** LLaVA 1.5 (arXiv:2310.03744): CLIP tower, two-layer projector, Llama. */
export const llavaFamily: ModelFamily<LlavaConfig> = {
  modelType: 'llava',
  parseConfig: parseLlavaConfig,
  tensorName: llavaTensorName,
  tensors: llavaTensors,
  imageProcessor: llavaImageProcessor,
  positions: sequentialPositions,
};
