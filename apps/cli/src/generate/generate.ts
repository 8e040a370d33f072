import { promptLayout, type Engine, type GenerationRequest, type GenerationResult } from '@madakv/engine';
import { createPolicy, GrantTooSmallError, type EvictionPolicy } from '@madakv/madakv';
import { openModel, type DecoderConfig, type OpenModel, type PreparedPrompt } from '@madakv/models';
import { profileFor, type AppliedProfile } from '../calibrate/applied.profile.js';
import type { CommandIo } from '../command.io.js';
import { loadEngine, type EngineFlags } from '../engine.flags.js';
import { UsageError } from '../exit.codes.js';
import type { ChatRequest } from '../request/chat.request.js';
import type { GenerationSettings } from '../request/generation.mapping.js';
import type { RequestSource } from '../request/request.file.js';
import { loadImages } from '../request/request.images.js';
import { Progress } from '../terminal/progress.js';
import { answerJson } from './answer.json.js';
import { cacheReport } from './cache.report.js';

export interface GenerateInput {
  readonly body: ChatRequest;
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
  const model = openModel(flags.model);
  const images = await loadImages(body.messages, source, model, io.signal);
  const prompt = await model.prepare(body.messages, images);
  // Building a large model takes minutes: what cannot work is said before.
  checkLength(prompt, settings, model.config.decoder);
  checkGrant(draft, prompt, settings);
  const engine = await loadEngine(model, flags, io);
  try {
    const profile = flags.profile ? profileFor(engine, settings) : undefined;
    const policy = profile === undefined ? draft : createPolicy(settings.policy, profile.policyOptions);
    const request = toRequest(prompt, policy, settings, flags.logits === true);
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

/** @throws UsageError with the numbers when prompt and answer need more positions than the model has */
function checkLength(prompt: PreparedPrompt, { maxTokens }: GenerationSettings, config: DecoderConfig): void {
  const needed = prompt.nextPosition + maxTokens;
  if (needed <= config.maxPositions) return;
  throw new UsageError(
    `too many tokens: the prompt of ${prompt.inputIds.length} tokens ends at position ${prompt.nextPosition}, ` +
      `and with ${maxTokens} answer tokens that exceeds the model's ${config.maxPositions} positions ` +
      `by ${needed - config.maxPositions}`,
  );
}

/** @throws UsageError with the smallest ratio that works when this one leaves less than the policy's floors */
function checkGrant(policy: EvictionPolicy, prompt: PreparedPrompt, settings: GenerationSettings): void {
  const tokens = prompt.inputIds.length;
  const layout = promptLayout(prompt, settings.protocol === 'replay' && tokens > 1 ? 1 : 0);
  const needed = policy.minimumTokensPerHead(layout);
  const granted = settings.cacheRatio * tokens;
  if (granted >= needed) return;
  const cause = new GrantTooSmallError(policy.name, granted, needed, tokens);
  throw new UsageError(
    `cache ratio ${settings.cacheRatio} is too small: it keeps ${Number(granted.toFixed(2))} of ${tokens} prompt tokens ` +
      `a head and layer, and ${policy.name} needs ${needed}; use ${smallestRatio(needed, tokens)} or more`,
    { cause },
  );
}

function smallestRatio(needed: number, tokens: number): number {
  return Math.min(1, Math.ceil((needed / tokens) * 10_000) / 10_000);
}
