import type { ModelFamily } from '../family.js';
import { parseQwenConfig } from './qwen.config.js';
import { qwenImageProcessor } from '../qwen_vl/qwen.image.processor.js';
import { mropePositions } from '../qwen_vl/mrope.positions.js';
import { qwenVlTensorName } from '../qwen_vl/tower.tensors.js';
import { qwenTensors } from './qwen.tensors.js';
import type { QwenConfig } from './qwen.vision.config.js';

/** Qwen2.5-VL (arXiv:2502.13923). */
export const qwenFamily: ModelFamily<QwenConfig> = {
  modelType: 'qwen2_5_vl',
  parseConfig: parseQwenConfig,
  tensorName: qwenVlTensorName,
  tensors: qwenTensors,
  imageProcessor: qwenImageProcessor,
  positions: mropePositions,
};
