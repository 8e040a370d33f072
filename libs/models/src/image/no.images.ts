import type { ImageProcessor } from '../family.js';
import { ImageError } from './image.decoder.js';

/** Why a model of text alone takes no image. */
export function noImagesReason(modelType: string): string {
  return (
    `the model (${modelType}) reads text alone: it takes no images and no pages; ` +
    'send the text itself, or choose a model with vision'
  );
}

/** Stands where a model with vision has its image processor. @returns one that throws ImageError whatever it is asked */
export function noImages(modelType: string): ImageProcessor {
  const refuse = (): never => {
    throw new ImageError(noImagesReason(modelType));
  };
  return { pages: { multipleOf: 1 }, process: refuse, layout: refuse };
}
