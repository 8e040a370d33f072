import type { Engine, GenerationResult, Protocol } from '@madakv/engine';
import { GrantTooSmallError, type EvictionPolicy } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';

/** A policy at a ratio. */
export interface PlannedAnswer {
  readonly policy: EvictionPolicy;
  /** Share of the prompt's cache that may be kept, in (0, 1]. */
  readonly ratio: number;
}

/** What one layer kept and looked at. */
export interface AnswerLayer {
  /** Rows every head keeps. */
  readonly rows: number;
  /** `[heads]` share of the attention that went to text, (6) of the paper. */
  readonly textPreference: readonly number[];
}

export interface GivenAnswer {
  readonly kind: 'answer';
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
  /** Bytes of key-value cache allocated for the prompt after eviction. */
  readonly keptBytes: number;
  /** Bytes of the whole prompt's cache in full precision. */
  readonly fullBytes: number;
  /** Milliseconds this answer took; those of answers that came together are divided among them evenly. */
  readonly ms: number;
  readonly layers: readonly AnswerLayer[];
}

/** The ratio leaves less than the policy's floors: there is no answer. */
export interface RefusedAnswer {
  readonly kind: 'refused';
  readonly reason: string;
}

export type Answer = GivenAnswer | RefusedAnswer;

export interface AnswerSettings {
  readonly maxTokens: number;
  readonly protocol: Protocol;
  readonly signal: AbortSignal;
}

/** Most bytes of kept cache at once; more answers than fit take another prefill. */
const MOST_KEPT_BYTES = 2 ** 30;

/**
 * Answers a prompt greedily under several policies and ratios, each a request to the engine. The engine reads the prompt once for all
 * that wait together, as it does for any requests that begin alike; with a `maxGroup` of 1 each has a prefill of its own.
 */
export class Answerer {
  constructor(private readonly engine: Engine) {}

  /** @returns one answer for each that was planned, in order */
  async answer(
    prompt: PreparedPrompt,
    planned: readonly PlannedAnswer[],
    settings: AnswerSettings,
  ): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const part of this.partsOf(planned, prompt.inputIds.length)) {
      settings.signal.throwIfAborted();
      const started = performance.now();
      const given = await Promise.all(part.map((each) => this.answerOne(prompt, each, settings)));
      const ms = (performance.now() - started) / part.length;
      answers.push(...given.map((answer) => (answer.kind === 'answer' ? { ...answer, ms } : answer)));
    }
    return answers;
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  private partsOf(planned: readonly PlannedAnswer[], tokens: number): PlannedAnswer[][] {
    const parts: PlannedAnswer[][] = [];
    let bytes = Infinity;
    for (const each of planned) {
      const own = each.ratio * tokens * this.engine.kvBytesPerToken;
      bytes += own;
      if (bytes > MOST_KEPT_BYTES) {
        parts.push([]);
        bytes = own;
      }
      parts[parts.length - 1].push(each);
    }
    return parts;
  }

  private async answerOne(
    prompt: PreparedPrompt,
    { policy, ratio }: PlannedAnswer,
    { maxTokens, protocol, signal }: AnswerSettings,
  ): Promise<Answer> {
    try {
      return given(await this.engine.generate({ prompt, policy, cacheRatio: ratio, maxTokens, protocol }, { signal }));
    } catch (error) {
      if (error instanceof GrantTooSmallError) return { kind: 'refused', reason: error.message };
      throw error;
    }
  }
}

function given({ text, finishReason, trace }: GenerationResult): GivenAnswer {
  const textual = trace.modalities.indexOf('text');
  return {
    kind: 'answer',
    text,
    finishReason,
    keptBytes: trace.bytes.afterEviction,
    fullBytes: trace.bytes.full,
    ms: 0,
    layers: trace.layers.map(({ rows, preference }) => ({
      rows,
      textPreference: preference.map((head) => head[textual]),
    })),
  };
}
