import type { CacheTrace, GenerationResult, TokenLogprob } from '@madakv/engine';
import type { PreparedPrompt, Tokenizer } from '@madakv/models';
import { shortest, type AppliedProfile } from '@madakv/requests';

type TextOf = Pick<Tokenizer, 'decode' | 'tokenBytes'>;

/** What an answer says about the profile it was made with. */
interface ProfileSummary {
  readonly file: string;
  readonly requests: number;
  readonly ratio: number;
  readonly layers: readonly number[];
}

/** What `generate --json` prints. */
export interface AnswerJson {
  readonly text: string;
  readonly token_ids: readonly number[];
  readonly prompt_token_ids: readonly number[];
  readonly first_logits?: readonly number[];
  readonly logprobs?: { readonly content: readonly TokenJson[] };
  readonly finish_reason: 'stop' | 'length';
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
  };
  readonly cache: CacheTrace & { readonly profile?: ProfileSummary };
}

interface LogprobJson {
  readonly token: string;
  readonly id: number;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

interface TokenJson extends LogprobJson {
  readonly top_logprobs: readonly LogprobJson[];
}

export function answerJson(
  result: GenerationResult,
  prompt: PreparedPrompt,
  tokenizer: TextOf,
  profile?: AppliedProfile,
): AnswerJson {
  const { promptTokens, completionTokens } = result.usage;
  const logprobs = result.tokens.flatMap(({ logprobs: found }) =>
    found === undefined
      ? []
      : [
          {
            ...logprobJson(found.chosen, tokenizer),
            top_logprobs: found.top.map((top) => logprobJson(top, tokenizer)),
          },
        ],
  );
  return {
    text: result.text,
    token_ids: result.tokenIds,
    prompt_token_ids: Array.from(prompt.inputIds),
    ...(result.firstLogits === undefined ? {} : { first_logits: Array.from(result.firstLogits, shortest) }),
    ...(logprobs.length === 0 ? {} : { logprobs: { content: logprobs } }),
    finish_reason: result.finishReason,
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
    cache: { ...result.trace, ...(profile === undefined ? {} : { profile: profileSummary(profile) }) },
  };
}

function logprobJson({ id, logprob }: TokenLogprob, tokenizer: TextOf): LogprobJson {
  return {
    token: tokenizer.decode([id], { skipSpecial: false }),
    id,
    logprob: shortest(logprob),
    bytes: Array.from(tokenizer.tokenBytes(id)),
  };
}

function profileSummary({ file, profile }: AppliedProfile): ProfileSummary {
  const { requests, ratio } = profile.provenance;
  return { file, requests, ratio, layers: profile.layers };
}
