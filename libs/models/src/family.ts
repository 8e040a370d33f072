import type { DecoderConfig } from './decoder.config.js';
import type { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import type { RgbImage } from './image/rgb.image.js';

/** Ids the engine must know by meaning. */
export interface TokenIds {
  /** Placeholder that stands once for every visual token in the input ids; absent for a model of text alone. */
  image?: number;
  /** Ids that end a generation, from generation_config.json, else from config.json. Never empty. */
  eos: number[];
  bos?: number;
  pad?: number;
}

/** Everything about a model that does not depend on the request. `Vision` is the family's own. */
export interface ModelConfig<Vision = unknown> {
  /** `model_type` of config.json. */
  family: string;
  decoder: DecoderConfig;
  vision: Vision;
  tokens: TokenIds;
}

/** Frames x rows x columns. */
export interface Grid {
  frames: number;
  rows: number;
  cols: number;
}

/** Width and height in pixels. */
export interface ImageSize {
  width: number;
  height: number;
}

/** What the processor makes of an image, as far as its size decides it. */
export interface ImageLayout {
  /** Patches of the vision tower. */
  patchGrid: Grid;
  /**
   * Visual tokens the decoder sees, in row-major order. A class token that is kept (LLaVA's `full` strategy) precedes
   * them and is in `tokens` but not in the grid.
   */
  grid: Grid;
  /** Number of placeholders in the input ids. */
  tokens: number;
}

/** One image as the vision tower takes it. */
export interface PreparedImage extends ImageLayout {
  /** Row-major values of shape `dims`: `[patches, channels * frames * patch * patch]` or `[channels, height, width]`. */
  pixels: Float32Array;
  dims: number[];
  /** Hash of the pixels and their shape: two images with one key have one embedding. */
  key: string;
}

/** A run of consecutive tokens of one modality, `[start, end)`. Segments cover the prompt without a gap. */
export interface Segment {
  start: number;
  end: number;
  modality: 'text' | 'visual';
  /** Visual only: index into `PreparedPrompt.images`, and the merged cells. */
  image?: number;
  grid?: Grid;
}

/** Half-open range of token indices. */
export interface TokenRange {
  start: number;
  end: number;
}

export interface PromptPositions {
  /** Rotary axes: 1, or 3 for M-RoPE (time, row, column). */
  axes: 1 | 3;
  /** `[axes, tokens]` */
  positions: Int32Array;
  /** Position, on every axis, of the first token that follows the prompt. */
  nextPosition: number;
}

export interface PreparedPrompt<Image extends ImageLayout = PreparedImage> extends PromptPositions {
  /** What the chat template made of the messages, before placeholders were repeated. */
  text: string;
  inputIds: Int32Array;
  /** Mean bytes (UTF-8) that the tokens of its text stand for, special ones aside; 1 where it has none. */
  textBytesPerToken: number;
  images: Image[];
  segments: Segment[];
  /**
   * The last text part of the last user turn and all that the template adds after it; ends at the last token. Where images
   * follow that text, the range spans their visual tokens: what must be kept is only its text.
   */
  question: TokenRange;
}

/** A tensor a family needs, under its normalised name (see `tensor.names.ts`). */
export interface TensorSpec {
  name: string;
  shape: number[];
}

/** Pages drawn like this reach the vision tower without being resampled, as far as their aspect allows. */
export interface PageRules {
  /** Width and height are multiples of this, in pixels. */
  multipleOf: number;
  /** Width times height; absent where the processor has no such limit. */
  maxPixels?: number;
}

/** Turns decoded images into what the vision tower takes. */
export interface ImageProcessor {
  readonly pages: PageRules;
  /** @throws ImageError when the shape is out of bounds */
  process(image: RgbImage): PreparedImage;
  /** What `process` would make of an image of this size. @throws ImageError when it is out of bounds */
  layout(size: ImageSize): ImageLayout;
}

/** What a model family must know about itself. Everything else in this package and in the engine is shared. */
export interface ModelFamily<Config extends ModelConfig = ModelConfig> {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** @throws CheckpointError for a missing file, a bad value or a feature that is not supported */
  parseConfig(folder: CheckpointFolder): Config;
  /** Normalised name of a tensor in the checkpoint, or undefined for one that is not used. */
  tensorName(name: string): string | undefined;
  /** All tensors the graphs need, with their shapes. */
  tensors(config: Config): TensorSpec[];
  /** Absent where the family reads text alone. @throws CheckpointError when the processor's settings are missing or not supported */
  imageProcessor?(folder: CheckpointFolder, config: Config): ImageProcessor;
  /** Rotary positions of a prompt whose segments are known. */
  positions(segments: readonly Segment[], config: Config): PromptPositions;
}
