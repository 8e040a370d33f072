export { CheckpointError, type CheckpointErrorCode } from './checkpoint/checkpoint.error.js';
export { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
export * from './decoder.config.js';
export * from './family.js';
export type { RgbImage } from './image/rgb.image.js';
export type { LlavaConfig, ClipVisionConfig } from './llava/llava.vision.config.js';
export type { QwenConfig, QwenVisionConfig } from './qwen2_5_vl/qwen.vision.config.js';
export * from './graphs/index.js';
export * from './rotary.table.js';
