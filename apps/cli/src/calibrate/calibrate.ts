import { writeProfile } from '@madakv/engine';
import { calibrateLayers, readCalibrationData } from '@madakv/evaluation';
import { openModel } from '@madakv/models';
import type { CommandIo } from '../command.io.js';
import { loadEngine, type EngineFlags } from '../engine.flags.js';
import { asUsageErrors } from '../eval/evaluation.errors.js';
import { modelFolder } from '../models/model.folder.js';
import { Progress } from '../terminal/progress.js';
import { profileReport } from './profile.report.js';

export interface CalibrateInput extends EngineFlags {
  readonly model: string;
  readonly data: string;
  readonly limit?: number;
  readonly ratio: number;
  readonly json?: true;
}

/** Measures a model's layers on the requests of a file, writes the profile beside the built model and reports it. */
export async function calibrate(input: CalibrateInput, io: CommandIo): Promise<void> {
  const data = await readCalibrationData(input.data, io.cwd, input.limit);
  const model = openModel(await modelFolder(input.model, io));
  const engine = await loadEngine(model, input, io);
  const progress = new Progress(io.stderr, 'measuring layers');
  const onProgress = (done: number, total: number): void => {
    progress.update(done, total);
  };
  try {
    const options = { ratio: input.ratio, signal: io.signal, onProgress };
    const profile = await asUsageErrors(() => calibrateLayers(engine, data, options)).finally(() => {
      progress.clear();
    });
    const path = writeProfile(engine.builtDir, profile);
    io.stdout.write(input.json === true ? `${JSON.stringify(profile)}\n` : profileReport(profile, path));
  } finally {
    await engine.close();
  }
}
