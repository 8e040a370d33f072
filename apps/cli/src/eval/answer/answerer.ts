import type { Protocol } from '@madakv/engine';
import type { EvictionPolicy } from '@madakv/madakv';
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
  /** Milliseconds this answer took; work that several answers share is divided among them evenly. */
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

/** Answers one prompt greedily under several policies and ratios. */
export interface Answerer {
  /** @returns one answer for each that was planned, in order */
  answer(
    prompt: PreparedPrompt,
    planned: readonly PlannedAnswer[],
    settings: AnswerSettings,
  ): Promise<readonly Answer[]>;
  close(): Promise<void>;
}
