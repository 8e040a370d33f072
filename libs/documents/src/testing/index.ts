export * from './pdf.samples.js';
export * from './test.certificate.js';
