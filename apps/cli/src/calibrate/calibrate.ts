import {
  layerWeights,
  meanDivergences,
  newProfile,
  rankingPolicy,
  requestSensitivity,
  sensitivityFigures,
  WEIGHT_FORMULA,
  writeProfile,
  type Engine,
  type CalibratedProfile,
  type CalibrationRequest,
  type RequestSensitivity,
} from '@madakv/engine';
import { GrantTooSmallError } from '@madakv/madakv';
import { openModel, type OpenModel } from '@madakv/models';
import type { CommandIo } from '../command.io.js';
import { loadEngine, type EngineFlags } from '../engine.flags.js';
import { UsageError } from '../exit.codes.js';
import { loadImages } from '../request/request.images.js';
import { Progress } from '../terminal/progress.js';
import { readCalibrationData, type CalibrationData } from './calibration.data.js';
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
  const model = openModel(input.model);
  const engine = await loadEngine(model, input, io);
  try {
    const requests = await measure(engine, data, input.ratio, io);
    const profile = profileOf(requests, data, input);
    const path = writeProfile(engine.builtDir, profile);
    io.stdout.write(input.json === true ? `${JSON.stringify(profile)}\n` : profileReport(profile, path));
  } finally {
    await engine.close();
  }
}

async function measure(
  engine: Engine,
  { lines }: CalibrationData,
  ratio: number,
  io: CommandIo,
): Promise<RequestSensitivity[]> {
  const progress = new Progress(io.stderr, 'measuring layers');
  const { layers } = engine.model.config.decoder;
  const measured: RequestSensitivity[] = [];
  try {
    for (const line of lines) {
      const request = await toRequest(engine.model, line, io.signal);
      const onProgress = (done: number): void => {
        progress.update(measured.length * (layers + 1) + done, lines.length * (layers + 1));
      };
      measured.push(
        await requestSensitivity(engine, layers, request, { ratio, signal: io.signal, onProgress }).catch(
          (error: unknown) => {
            throw withLine(error, line.source.name, ratio);
          },
        ),
      );
    }
  } finally {
    progress.clear();
  }
  return measured;
}

async function toRequest(
  model: OpenModel,
  { body, source }: CalibrationData['lines'][number],
  signal: AbortSignal,
): Promise<CalibrationRequest> {
  const images = await loadImages(body.messages, source, model, signal);
  const prompt = await model.prepare(body.messages, images);
  if (body.expected == null) return { prompt };
  // One more than the right answer has, for its end.
  const maxTokens = model.tokenizer.encode(body.expected, { addSpecial: false }).length + 1;
  return { prompt, expected: { text: body.expected, maxTokens } };
}

/** Says which request is too short for the ratio; other errors stay as they are. */
function withLine(error: unknown, name: string, ratio: number): unknown {
  if (!(error instanceof GrantTooSmallError)) return error;
  return new UsageError(
    `${name}: ratio ${ratio} keeps ${Number(error.tokensPerHead.toFixed(2))} of ${error.promptTokens} prompt tokens ` +
      `a head and layer; at least ${error.minimumTokensPerHead} are needed`,
    { cause: error },
  );
}

function profileOf(
  requests: readonly RequestSensitivity[],
  data: CalibrationData,
  input: CalibrateInput,
): CalibratedProfile {
  const weights = layerWeights(meanDivergences(requests));
  return newProfile(weights, {
    data: { file: input.data, sha256: data.sha256 },
    requests: requests.length,
    promptTokens: requests.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    ratio: input.ratio,
    ranking: rankingPolicy().name,
    formula: WEIGHT_FORMULA,
    createdAt: new Date().toISOString(),
    figures: sensitivityFigures(requests, weights),
  });
}
