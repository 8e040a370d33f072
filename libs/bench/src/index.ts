/**
 * Speed on this machine, with random weights of a published shape: each benchmark runs what it compares in turns and reports ratios
 * of one run. They print nothing; what they are doing goes to a function that is passed in and may throw to stop them.
 */
export { benchDecode, type DecodeBenchOptions, type DecodeBenchReport, type StepFigures } from './decode.bench.js';
export { benchPrefill, type PrefillBenchOptions, type PrefillBenchReport } from './prefill.bench.js';
export { benchSelect, type SelectBenchOptions, type SelectBenchRow } from './select.bench.js';
export { type ShapeOptions } from './bench.model.js';
export { shapes } from './synthetic.model.js';
export { publishedFigures, type PublishedFigures } from './published.models.js';
export { publishedModels } from './published.shapes.js';
export { isLanguage, loadedBytes, valuesOf, type BitsOfTensor } from './weight.bytes.js';
export * from './scaling/index.js';
export { benchDevice, deviceBandwidthProbe, type DeviceBenchOptions, type DeviceBenchReport } from './device.bench.js';
