import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { ResampleFilter } from './resample.js';

const PREPROCESSOR = 'preprocessor_config.json';
const PROCESSOR = 'processor_config.json';

const pixels = z.int().positive();
const channels = z.union([z.number(), z.array(z.number()).length(3)]);
const sizeSchema = z.union([
  pixels,
  z.looseObject({
    shortest_edge: pixels.nullish(),
    longest_edge: pixels.nullish(),
    height: pixels.nullish(),
    width: pixels.nullish(),
  }),
]);

const settingsSchema = z.looseObject({
  image_processor_type: z.string().nullish(),
  do_resize: z.boolean().nullish(),
  size: sizeSchema.nullish(),
  resample: z.int().nullish(),
  do_center_crop: z.boolean().nullish(),
  crop_size: sizeSchema.nullish(),
  do_pad: z.boolean().nullish(),
  do_rescale: z.boolean().nullish(),
  rescale_factor: z.number().nullish(),
  do_normalize: z.boolean().nullish(),
  image_mean: channels.nullish(),
  image_std: channels.nullish(),
  image_grid_pinpoints: z.array(z.array(pixels).length(2)).nullish(),
  min_pixels: pixels.nullish(),
  max_pixels: pixels.nullish(),
  patch_size: pixels.nullish(),
  temporal_patch_size: pixels.nullish(),
  merge_size: pixels.nullish(),
});

/** Keys of the image processor as its file has them; what is left out takes the processor's default. */
export type ProcessorSettings = z.infer<typeof settingsSchema>;

/** Settings and the file they came from, for messages. */
export interface SettingsFile {
  file: string;
  settings: ProcessorSettings;
}

const nestedSchema = z.looseObject({ image_processor: z.record(z.string(), z.unknown()).optional() });

/**
 * Reads the image processor's settings: `image_processor` of processor_config.json, or preprocessor_config.json.
 * @throws CheckpointError `missing_file`, `bad_json`, `bad_value`
 */
export function readProcessorSettings(folder: CheckpointFolder): SettingsFile {
  if (folder.has(PROCESSOR)) {
    const nested = folder.parse(nestedSchema, folder.json(PROCESSOR), PROCESSOR).image_processor;
    if (nested !== undefined) {
      return { file: PROCESSOR, settings: folder.parse(settingsSchema, nested, PROCESSOR, ['image_processor']) };
    }
  }
  if (!folder.has(PREPROCESSOR)) {
    throw new CheckpointError(
      'missing_file',
      `${folder.dir}: neither ${PREPROCESSOR} nor ${PROCESSOR} with an image_processor`,
    );
  }
  return { file: PREPROCESSOR, settings: folder.parse(settingsSchema, folder.json(PREPROCESSOR), PREPROCESSOR) };
}

/** Pillow's numbers for filters. */
const resampleFilters: Record<number, ResampleFilter> = { 2: 'bilinear', 3: 'bicubic' };

/** @throws CheckpointError `unsupported_feature` for a filter other than bilinear and bicubic */
export function resampleFilter(folder: CheckpointFolder, { file, settings }: SettingsFile): ResampleFilter {
  const number = settings.resample ?? 3;
  if (!(number in resampleFilters)) {
    throw new CheckpointError(
      'unsupported_feature',
      `${folder.path(file)}: resample ${number}; supported are 2 (bilinear) and 3 (bicubic)`,
    );
  }
  return resampleFilters[number];
}
