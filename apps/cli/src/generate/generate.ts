import type { Engine, GenerationRequest, GenerationResult } from '@madakv/engine';
import { createPolicy, type EvictionPolicy } from '@madakv/madakv';
import { openModel, type DecoderConfig, type OpenModel, type PreparedPrompt } from '@madakv/models';
import {
  answerConstraint,
  checkLength,
  loadImages,
  messagesInReadingOrder,
  profileFor,
  requestLayout,
  settleRatios,
  type AppliedProfile,
  type FileRequest,
  type GenerationSettings,
  type RequestSource,
} from '@madakv/requests';
import type { CommandIo } from '../command.io.js';
import { loadEngine, type EngineFlags } from '../engine.flags.js';
import { modelFolder } from '../models/model.folder.js';
import { asUsageError } from '../request/usage.errors.js';
import { Progress } from '../terminal/progress.js';
import { answerJson } from './answer.json.js';
import { cacheReport } from './cache.report.js';

export interface GenerateInput {
  readonly body: FileRequest;
  readonly source: RequestSource;
  readonly settings: GenerationSettings;
  readonly flags: EngineFlags & {
    readonly model: string;
    /** Use the calibrated profile when there is one. */
    readonly profile: boolean;
    readonly logits?: true;
    readonly json?: true;
  };
}

/** Answers one request and writes answer and cache report to `io.stdout`. Frees the model however it ends. */
export async function generate(input: GenerateInput, io: CommandIo): Promise<void> {
  const { body, source, settings, flags } = input;
  const draft = createPolicy(settings.policy, settings.policyOptions);
  const model = openModel(await modelFolder(flags.model, io));
  const images = await loadImages(body.messages, source, model, io.signal);
  const prompt = await model.prepare(messagesInReadingOrder(body), images);
  // Building a large model takes minutes: what cannot work is said before.
  checkRequest(draft, prompt, settings, model.config.decoder);
  const engine = await loadEngine(model, flags, io);
  try {
    const profile = flags.profile ? profileFor(engine, settings) : undefined;
    const policy = profile === undefined ? draft : createPolicy(settings.policy, profile.policyOptions);
    const { format } = settings;
    const plain = toRequest(prompt, policy, settings, flags.logits === true);
    const constraint = format === undefined ? undefined : await answerConstraint(model, format);
    const request = constraint === undefined ? plain : { ...plain, constraint };
    const result = await answer(engine, request, flags.json === true, io);
    writeResult(result, { prompt, model, profile, json: flags.json === true }, io);
  } finally {
    await engine.close();
  }
}

function toRequest(
  prompt: PreparedPrompt,
  policy: EvictionPolicy,
  settings: GenerationSettings,
  wantFirstLogits: boolean,
): GenerationRequest {
  const { cacheRatio, maxTokens, protocol, sampling, stop, topLogprobs } = settings;
  return {
    prompt,
    policy,
    cacheRatio,
    maxTokens,
    protocol,
    sampling,
    stop,
    wantFirstLogits,
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
  };
}

/** Runs the request; unless the answer will be printed as JSON, writes its text as it comes. */
async function answer(
  engine: Engine,
  request: GenerationRequest,
  json: boolean,
  io: CommandIo,
): Promise<GenerationResult> {
  const progress = new Progress(io.stderr, 'reading the prompt');
  const say = (text: string): void => {
    if (!json && text !== '') io.stdout.write(text);
  };
  try {
    return await engine.generate(request, {
      signal: io.signal,
      onEvent: (event) => {
        if (event.kind === 'prefill') progress.update(event.done, event.total);
        if (event.kind !== 'token' && event.kind !== 'trailing') return;
        progress.clear();
        say(event.kind === 'token' ? event.token.text : event.text);
      },
    });
  } finally {
    progress.clear();
  }
}

function writeResult(
  result: GenerationResult,
  about: { prompt: PreparedPrompt; model: OpenModel; profile: AppliedProfile | undefined; json: boolean },
  io: CommandIo,
): void {
  if (about.json) {
    io.stdout.write(`${JSON.stringify(answerJson(result, about.prompt, about.model.tokenizer, about.profile))}\n`);
  } else {
    io.stdout.write(`\n\n${cacheReport(result, about.profile)}`);
  }
}

/** @throws UsageError with the numbers when prompt or ratio cannot work */
function checkRequest(
  policy: EvictionPolicy,
  prompt: PreparedPrompt,
  settings: GenerationSettings,
  config: DecoderConfig,
): void {
  asUsageError(() => {
    checkLength(prompt, settings.maxTokens, config.maxPositions);
    // A default that does not suit the prompt is reported too: its figure is on every page about this command.
    settleRatios(policy, requestLayout(prompt, settings), { ...settings, ratioRequested: true });
  });
}
