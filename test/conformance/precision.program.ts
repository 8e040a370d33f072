/**
 * What the processor that this runs on makes of every precision: a {@link ProcessorReport} as JSON on standard output. The spec of
 * the older processors bundles it, since compiling sources under an emulator would take minutes.
 *
 * Arguments: a folder for built models, and the fixture's name.
 */
import { Engine } from '@madakv/engine';
import { openModel } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { requestFixtures } from './fixture.reader.js';
import { firstLogitsError, precisionCases } from './precision.cases.js';

export interface ProcessorReport {
  readonly signature: string;
  /** Error of the first logits by the precision's name. */
  readonly errors: Readonly<Record<string, number>>;
}

const [cacheDir, name] = process.argv.slice(2);
const fixture = requestFixtures().find((entry) => entry.name === name);
if (fixture === undefined) throw new Error(`no fixture ${name}`);
const model = openModel(fixture.checkpoint);
const provider = cpuProvider(1);
const exact = await Engine.load(model, provider, { ...precisionCases[0].options, cacheDir });
const errors: Record<string, number> = {};
for (const { name: precision, options } of precisionCases) {
  const engine =
    options === precisionCases[0].options ? exact : await Engine.load(model, provider, { ...options, cacheDir });
  errors[precision] = await firstLogitsError(engine, exact, fixture);
  if (engine !== exact) await engine.close();
}
await exact.close();
const report: ProcessorReport = {
  signature: await provider.signature(),
  errors,
};
process.stdout.write(JSON.stringify(report));
