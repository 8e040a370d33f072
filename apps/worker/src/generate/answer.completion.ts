import type { ChatCompletion, Usage } from '@madakv/contracts';
import { extractionPlan } from '@madakv/extraction';
import { chatCompletion, extractionAnswer } from '@madakv/requests';
import type { AskedRequest } from './question.js';
import type { AnsweredQuestion } from './question.runner.js';

/** The body of a request's answer: its question's, or the object that the answers of all its fields make. */
export function completionOf(
  { attempt, prepared }: AskedRequest,
  answered: readonly AnsweredQuestion[],
  systemFingerprint: string,
): ChatCompletion {
  const { requestId: id, model } = attempt.request;
  const [{ answer }] = answered;
  const { cacheRatio: requestedRatio, warnings, extraction } = prepared;
  const head = { id, created: Math.floor(Date.now() / 1_000), model };
  const completion = chatCompletion(head, { ...answer, requestedRatio, warnings, systemFingerprint });
  if (extraction === undefined) return completion;
  const { content, fields } = extractionAnswer(
    // It was checked when it was accepted.
    extractionPlan(extraction.schema as Parameters<typeof extractionPlan>[0], { isChecked: true }),
    answered.map(({ answer: { text, finishReason, usage, trace }, question }) => ({
      text,
      finishReason,
      completionTokens: usage.completion_tokens,
      bytes: { full: trace.bytes.full, kept: trace.bytes.afterEviction },
      traceId: question.id,
    })),
  );
  const summaries = answered.map(({ answer: each }) => each.trace);
  const bytes = (of: (trace: (typeof summaries)[number]) => number): number => sum(summaries.map(of));
  return {
    ...completion,
    choices: [
      { ...completion.choices[0], message: { role: 'assistant', content, refusal: null }, finish_reason: 'stop' },
    ],
    usage: usageOfAll(answered.map(({ answer: each }) => each.usage)),
    madakv: {
      ...completion.madakv,
      cache_ratio: sum(summaries.map(({ ratio }) => ratio)) / summaries.length,
      bytes: {
        full: bytes(({ bytes: { full } }) => full),
        peak: bytes(({ bytes: { peak } }) => peak),
        kept: bytes(({ bytes: { afterEviction } }) => afterEviction),
      },
      prompt_tokens: Object.fromEntries(
        Object.keys(completion.madakv.prompt_tokens).map((modality, i) => [
          modality,
          sum(summaries.map(({ promptTokens }) => promptTokens[i])),
        ]),
      ),
      fields,
    },
  };
}

function usageOfAll(usages: readonly Usage[]): Usage {
  const of = (key: 'prompt_tokens' | 'completion_tokens' | 'total_tokens'): number =>
    sum(usages.map((usage) => usage[key]));
  return {
    prompt_tokens: of('prompt_tokens'),
    completion_tokens: of('completion_tokens'),
    total_tokens: of('total_tokens'),
    prompt_tokens_details: {
      cached_tokens: sum(usages.map(({ prompt_tokens_details: details }) => details?.cached_tokens ?? 0)),
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
