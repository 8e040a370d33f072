import {
  layerWeights,
  meanDivergences,
  newProfile,
  rankingPolicy,
  requestSensitivity,
  sensitivityFigures,
  WEIGHT_FORMULA,
  type CalibratedProfile,
  type CalibrationRequest,
  type Engine,
  type RequestSensitivity,
} from '@madakv/engine';
import { GrantTooSmallError } from '@madakv/madakv';
import type { OpenModel } from '@madakv/models';
import { loadImages, messagesInReadingOrder } from '@madakv/requests';
import { EvaluationError } from '../evaluation.error.js';
import type { CalibrationData } from './calibration.data.js';

export interface CalibrationOptions {
  /** Share of its rows that the layer under test keeps, in (0, 1]. */
  readonly ratio: number;
  readonly signal: AbortSignal;
  /** Told of prefills that are done, of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Measures a model's layers on requests, one layer cut down at a time.
 * @throws EvaluationError naming the request that is too short for the ratio; InputFileError naming an image that cannot be read
 */
export async function calibrateLayers(
  engine: Engine,
  data: CalibrationData,
  options: CalibrationOptions,
): Promise<CalibratedProfile> {
  const requests = await measure(engine, data, options);
  const weights = layerWeights(meanDivergences(requests));
  return newProfile(weights, {
    data: { file: data.file, sha256: data.sha256 },
    requests: requests.length,
    promptTokens: requests.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    ratio: options.ratio,
    ranking: rankingPolicy().name,
    formula: WEIGHT_FORMULA,
    createdAt: new Date().toISOString(),
    figures: sensitivityFigures(requests, weights),
  });
}

async function measure(
  engine: Engine,
  { lines }: CalibrationData,
  { ratio, signal, onProgress }: CalibrationOptions,
): Promise<RequestSensitivity[]> {
  const { layers } = engine.model.config.decoder;
  const measured: RequestSensitivity[] = [];
  for (const line of lines) {
    const request = await toRequest(engine.model, line, signal);
    const progress = (done: number): void => {
      onProgress?.(measured.length * (layers + 1) + done, lines.length * (layers + 1));
    };
    measured.push(
      await requestSensitivity(engine, layers, request, { ratio, signal, onProgress: progress }).catch(
        (error: unknown) => {
          throw withLine(error, line.source.name, ratio);
        },
      ),
    );
  }
  return measured;
}

async function toRequest(
  model: OpenModel,
  { body, source }: CalibrationData['lines'][number],
  signal: AbortSignal,
): Promise<CalibrationRequest> {
  const images = await loadImages(body.messages, source, model, signal);
  const prompt = await model.prepare(messagesInReadingOrder(body), images);
  if (body.expected == null) return { prompt };
  // One more than the right answer has, for its end.
  const maxTokens = model.tokenizer.encode(body.expected, { addSpecial: false }).length + 1;
  return { prompt, expected: { text: body.expected, maxTokens } };
}

/** Says which request is too short for the ratio; other errors stay as they are. */
function withLine(error: unknown, name: string, ratio: number): unknown {
  if (!(error instanceof GrantTooSmallError)) return error;
  return new EvaluationError(
    'request_too_short',
    `${name}: ratio ${ratio} keeps ${Number(error.tokensPerHead.toFixed(2))} of ${error.promptTokens} prompt tokens ` +
      `a head and layer; at least ${error.minimumTokensPerHead} are needed`,
    { cause: error },
  );
}
