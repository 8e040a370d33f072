import { join, resolve } from 'node:path';
import { checkpointInput, defaultCacheDir } from '@madakv/engine';
import {
  Answerer,
  describeRun,
  scoredSets,
  suites,
  workOrder,
  type Question,
  type RunChoice,
  type RunRecord,
  type ScorerName,
} from '@madakv/evaluation';
import { openModel, type OpenModel } from '@madakv/models';
import type { CommandIo } from '../../command.io.js';
import { loadEngine, type EngineFlags } from '../../engine.flags.js';
import { UsageError } from '../../exit.codes.js';
import { modelFolder } from '../../models/model.folder.js';

/** Answers of one prompt that share a prefill and decode together. */
const MOST_TOGETHER = 64;

/** What the command line says about a run. */
export interface RunFlags extends EngineFlags, Omit<RunChoice, keyof EngineFlags> {
  readonly model: string;
  readonly data: string;
  readonly sets?: readonly string[];
  readonly scorers: Readonly<Record<string, ScorerName>>;
  /** The command line, for the report. */
  readonly command: string;
  readonly version: string;
}

/** A run that is ready to begin. The answerer is to be closed. */
export interface RunSetup {
  readonly model: OpenModel;
  readonly answerer: Answerer;
  readonly questions: readonly Question[];
  readonly run: RunRecord;
}

/** Reads questions, opens the model and says what will be measured. */
export async function setUpRun(flags: RunFlags, io: CommandIo): Promise<RunSetup> {
  const data = await suites[flags.suite].load(flags.data, io.cwd);
  const questions = workOrder(data.questions, flags);
  if (questions.length === 0) throw new UsageError(`there are no questions in the half --split ${flags.split}`);
  const sets = scoredSets(questions, data, flags.scorers);
  const model = openModel(await modelFolder(flags.model, io));
  const together = flags.prefill === 'shared' ? MOST_TOGETHER : 1;
  const engine = await loadEngine(model, flags, io, { maxSequences: together, maxGroup: together });
  const answerer = new Answerer(engine);
  try {
    const cached = join(flags.cacheDir ?? defaultCacheDir(), 'models', 'files.json');
    const fingerprint = await checkpointInput(model).fingerprint(cached);
    const origin = { modelDir: flags.model, dataPath: flags.data, command: flags.command, version: flags.version };
    const run = describeRun(flags, origin, { files: data.files, sets, engine, fingerprint });
    return { model, answerer, questions, run };
  } catch (error) {
    await answerer.close();
    throw error;
  }
}

/** Folder of a run: `--out`, else one beside the caller named after suite and time. */
export function outFolder(
  out: string | undefined,
  { about, settings }: RunRecord,
  cwd: string,
): { dir: string; name: string } {
  const stamp = about.startedAt.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const name = out ?? `eval-${settings.suite}-${stamp}`;
  return { dir: resolve(cwd, name), name };
}
