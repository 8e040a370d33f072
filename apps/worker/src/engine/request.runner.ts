import { MadakvError } from '@madakv/contracts';
import type { Engine, GenerationEvent, GenerationResult, PromptImage } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import {
  answerConstraint,
  chatMessages,
  checkLength,
  profileFor,
  requestPolicy,
  tokenLogprob,
  usageOf,
} from '@madakv/requests';
import { DeferredImages } from './deferred.images.js';
import type { WireRequest } from './engine.protocol.js';
import type { EngineAnswer, EngineEvent, EngineImagePlace } from './engine.request.js';

export interface RunnerControl {
  readonly signal: AbortSignal;
  readonly onEvent: (event: EngineEvent) => void;
  /** Called when the engine can be given it; settles when it may be. */
  readonly ready: () => Promise<void>;
  /** Bytes of one of the request's encoded images; rejects when the signal is aborted. */
  readonly imageBytes: (index: number) => Promise<Uint8Array>;
}

/**
 * Answers one request from start to end in the engine's thread.
 * @throws errors of libs/models, libs/madakv and libs/engine; MadakvError
 */
export async function runRequest(engine: Engine, request: WireRequest, control: RunnerControl): Promise<EngineAnswer> {
  const { settings, documentKey, rank = 0 } = request;
  const draft = requestPolicy(settings);
  const profile = profileFor(engine, settings);
  const policy = profile === undefined ? draft : createPolicy(settings.policy, profile.policyOptions);
  const prompt = layOut(engine, request, control);
  checkPrepared(prompt, request.promptTokens);
  checkLength(prompt, settings.maxTokens, engine.model.config.decoder.maxPositions);
  const { maxTokens, protocol, sampling, stop, format, topLogprobs } = settings;
  const constraint = format === undefined ? undefined : await answerConstraint(engine.model, format);
  await control.ready();
  const result = await engine.generate(
    {
      prompt,
      policy,
      cacheRatio: request.cacheRatio,
      rank,
      maxTokens,
      protocol,
      sampling,
      stop,
      ...(documentKey === undefined ? {} : { documentKey }),
      ...(constraint === undefined ? {} : { constraint }),
      ...(topLogprobs === undefined ? {} : { topLogprobs }),
    },
    { signal: control.signal, onEvent: eventTranslator(engine, control.onEvent) },
  );
  return toAnswer(engine, prompt, result);
}

function layOut(engine: Engine, request: WireRequest, { imageBytes }: RunnerControl): PreparedPrompt<PromptImage> {
  const { messages, images } = chatMessages(request.messages, request.images.length);
  return engine.model.layoutOf(messages, new DeferredImages(engine, request.images, imageBytes).inOrder(images));
}

function checkPrepared({ inputIds }: PreparedPrompt<PromptImage>, expected = inputIds.length): void {
  if (inputIds.length === expected) return;
  throw new MadakvError(
    'internal_error',
    `the prompt has ${inputIds.length} tokens where ${expected} were prepared: do all workers serve the same checkpoint?`,
  );
}

/** Tokens get their index and the texts of their alternatives; text that was held back follows as one more. */
function eventTranslator({ model }: Engine, onEvent: (event: EngineEvent) => void): (event: GenerationEvent) => void {
  let index = 0;
  return (event) => {
    if (event.kind === 'token') {
      const logprobs = tokenLogprob(event.token, model.tokenizer);
      const { text } = event.token;
      onEvent({ kind: 'token', index: index++, text, ...(logprobs === undefined ? {} : { logprobs }) });
    } else if (event.kind === 'trailing') {
      onEvent({ kind: 'token', index: index++, text: event.text });
    } else {
      onEvent(event);
    }
  };
}

function toAnswer({ model }: Engine, prompt: PreparedPrompt<PromptImage>, result: GenerationResult): EngineAnswer {
  const logprobs = result.tokens.flatMap((token) => tokenLogprob(token, model.tokenizer) ?? []);
  const wanted = result.tokens.some((token) => token.logprobs !== undefined);
  return {
    text: result.text,
    finishReason: result.finishReason,
    usage: usageOf(result.usage),
    logprobs: wanted ? logprobs : null,
    trace: result.trace,
    times: result.times,
    imagePlaces: imagePlaces(prompt, LINE_ENDS.has(model.config.family)),
  };
}

/** Families whose grids have a last column that ends the line and shows nothing of the image. */
const LINE_ENDS: ReadonlySet<string> = new Set(['llava_next']);

function imagePlaces({ images, segments }: PreparedPrompt<PromptImage>, lineEnds: boolean): EngineImagePlace[] {
  return images.map(({ tokens, grid }, index) => {
    const end = segments.find(({ image }) => image === index)?.end ?? 0;
    const [rows, stride] = [grid.frames * grid.rows, grid.cols];
    // What precedes the grid belongs to the image's tokens.
    return { tokens, start: end - rows * stride, rows, columns: lineEnds ? stride - 1 : stride, stride };
  });
}
