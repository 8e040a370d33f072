export * from './pdf.samples.js';
export * from './test.certificate.js';
export * from './office.samples.js';
export * from './tiff.samples.js';
