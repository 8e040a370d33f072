import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PdfRasteriser } from '@madakv/documents';
import type { OpenModel, PreparedImage } from '@madakv/models';

/** The folder of the sample documents. */
export const DEMO = fileURLToPath(new URL('../../examples/demo', import.meta.url));
/** As the product draws pages. */
const PAGE_DPI = 140;

/** The pages of each document, drawn as a worker draws them. */
export async function drawnPages(model: OpenModel, files: ReadonlySet<string>): Promise<Map<string, PreparedImage[]>> {
  const rasteriser = new PdfRasteriser();
  const { multipleOf, maxPixels } = model.pages;
  const options = { dpi: PAGE_DPI, multipleOf, ...(maxPixels === undefined ? {} : { maxPixelsPerPage: maxPixels }) };
  try {
    const drawn = new Map<string, PreparedImage[]>();
    for (const file of files) {
      const images: PreparedImage[] = [];
      for await (const { bytes } of rasteriser.rasterise(readFileSync(join(DEMO, file)), options)) {
        images.push(await model.prepareImage(bytes));
      }
      drawn.set(file, images);
    }
    return drawn;
  } finally {
    rasteriser.close();
  }
}
