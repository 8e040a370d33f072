export * from './document.error.js';
export * from './document.limits.js';
export * from './media/data.url.js';
export * from './media/image.check.js';
export * from './media/media.type.js';
export * from './pdf/page.ranges.js';
export * from './pdf/pdf.rasteriser.js';
export { PAGE_FORMATS, type PageFormat } from './pdf/raster.protocol.js';
export type { PageSize } from './pdf/page.geometry.js';
