import type { Engine, GenerationResult } from '@madakv/engine';
import { GrantTooSmallError } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import type { Answer, Answerer, AnswerSettings, GivenAnswer, PlannedAnswer } from './answerer.js';

/** Every answer is a request of its own to the engine, with a prefill of its own: what users get, times included. */
export class SeparateAnswerer implements Answerer {
  constructor(private readonly engine: Engine) {}

  async answer(
    prompt: PreparedPrompt,
    planned: readonly PlannedAnswer[],
    settings: AnswerSettings,
  ): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const one of planned) answers.push(await this.answerOne(prompt, one, settings));
    return answers;
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  private async answerOne(
    prompt: PreparedPrompt,
    { policy, ratio }: PlannedAnswer,
    { maxTokens, protocol, signal }: AnswerSettings,
  ): Promise<Answer> {
    const started = performance.now();
    try {
      const request = { prompt, policy, cacheRatio: ratio, maxTokens, protocol };
      const result = await this.engine.generate(request, { signal });
      return given(result, performance.now() - started);
    } catch (error) {
      if (error instanceof GrantTooSmallError) return { kind: 'refused', reason: error.message };
      throw error;
    }
  }
}

function given({ text, finishReason, trace }: GenerationResult, ms: number): GivenAnswer {
  const textual = trace.modalities.indexOf('text');
  return {
    kind: 'answer',
    text,
    finishReason,
    keptBytes: trace.bytes.afterEviction,
    fullBytes: trace.bytes.full,
    ms,
    layers: trace.layers.map(({ rows, preference }) => ({
      rows,
      textPreference: preference.map((head) => head[textual]),
    })),
  };
}
