import { z } from 'zod';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { CONFIG, positive, requireOneOf } from '../config/config.file.js';
import type { ModelFamily } from '../family.js';
import { llavaConfig, llavaSchema } from '../llava/llava.config.js';
import { llavaTensorName, llavaTensors } from '../llava/llava.tensors.js';
import { sequentialPositions } from '../text/sequential.positions.js';
import { NEW_LINE, type LlavaNextConfig } from './llava.next.config.js';
import { llavaNextImageProcessor } from './llava.next.image.processor.js';

/** Height and width of what an image may be fitted into. */
const pinpointsSchema = z.array(z.tuple([positive, positive])).min(1);

const nextSchema = llavaSchema.extend({ image_grid_pinpoints: pinpointsSchema.nullish() });

/** Those of LLaVA 1.6. */
const PINPOINTS: z.infer<typeof pinpointsSchema> = [
  [336, 672],
  [672, 336],
  [672, 672],
  [1008, 336],
  [336, 1008],
];

/** LLaVA-NeXT, also known as LLaVA 1.6: the parts of LLaVA 1.5, with an image in tiles beside the whole of it. */
export const llavaNextFamily: ModelFamily<LlavaNextConfig> = {
  modelType: 'llava_next',
  parseConfig,
  tensorName: (name) => (/^(?:model\.)?image_newline$/.test(name) ? NEW_LINE : llavaTensorName(name)),
  tensors: (config) => [...llavaTensors(config), { name: NEW_LINE, shape: [config.decoder.hiddenSize] }],
  imageProcessor: llavaNextImageProcessor,
  positions: sequentialPositions,
};

function parseConfig(folder: CheckpointFolder): LlavaNextConfig {
  const root = folder.parse(nextSchema, folder.json(CONFIG), CONFIG);
  // With its class token a tile's features are no square.
  requireOneOf(folder, 'vision_feature_select_strategy', root.vision_feature_select_strategy, ['default']);
  const config = llavaConfig(folder, 'llava_next', root);
  const { imageSize: tileSize, patchSize } = config.vision;
  const canvases = (root.image_grid_pinpoints ?? PINPOINTS).map(([height, width]) => ({ height, width }));
  const uneven = canvases.find(({ width, height }) => width % tileSize !== 0 || height % tileSize !== 0);
  if (uneven !== undefined) {
    throw new CheckpointError(
      'bad_value',
      `${folder.path(CONFIG)}: image_grid_pinpoints has [${uneven.height}, ${uneven.width}], ` +
        `of which the tower's image_size ${tileSize} is no part`,
    );
  }
  const tiling = { tileSize, side: Math.floor(tileSize / patchSize), canvases };
  return { ...config, vision: { ...config.vision, tiling } };
}
