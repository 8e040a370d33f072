import { createHash } from 'node:crypto';
import type { RgbImage } from './rgb.image.js';

/** Hash of an image that is ready but for normalising. `settings` tells apart processors that treat its bytes differently. */
export function imageKey(image: RgbImage, settings: unknown): string {
  const hash = createHash('sha256');
  hash.update(`${image.width}x${image.height} ${JSON.stringify(settings)}\0`);
  hash.update(image.data);
  return hash.digest('hex');
}
