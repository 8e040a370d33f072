import type { Engine } from '@madakv/engine';
import { createPolicy, type EvictionPolicy, type Observation } from '@madakv/madakv';
import type { PreparedPrompt, Tokenizer } from '@madakv/models';

/** First prompt tokens that attract attention whatever is asked (StreamingLLM): no evidence. */
const SINKS = 4;

/** Where the right answer is read from. */
export interface Evidence {
  /** `[layers][heads]`, each `[prompt tokens]`: attention of the tokens that emit the answer, 0 outside of the document. */
  readonly attention: readonly (readonly Float32Array[])[];
}

/**
 * Measures on the full cache which prompt tokens the right answer is copied from: the answer is put behind the prompt, and
 * the attention of the tokens that emit it is recorded. The question itself and the first tokens count for nothing.
 */
export async function answerEvidence(
  engine: Engine,
  prompt: PreparedPrompt,
  expected: string,
  signal: AbortSignal,
): Promise<Evidence> {
  const answer = idsOf(engine.model.tokenizer, expected);
  const tokens = prompt.inputIds.length;
  const asked = withAnswer(prompt, answer.slice(0, -1));
  const positions = Int32Array.from({ length: Math.max(1, answer.length) }, (_, i) => tokens - 1 + i);
  const attention: Float32Array[][] = [];
  const policy = watching(positions, (importance, heads) => {
    const width = importance.length / heads;
    attention.push(
      Array.from({ length: heads }, (_, head) => {
        const row = importance.slice(head * width, head * width + tokens);
        row.fill(0, 0, SINKS);
        clearQuestion(row, prompt);
        return row;
      }),
    );
  });
  await engine.generate({ prompt: asked, policy, cacheRatio: 1, maxTokens: 1, protocol: 'plain' }, { signal });
  return { attention };
}

/** Keeps everything and hands over the attention of some queries, layer by layer. */
function watching(positions: Int32Array, onLayer: (importance: Float32Array, heads: number) => void): EvictionPolicy {
  const full = createPolicy('full');
  const weights = new Float32Array(positions.length).fill(1);
  const observation: Observation = { kind: 'queries', positions, weights, groupReduction: 'sum' };
  return {
    name: 'full',
    observe: () => observation,
    minimumTokensPerHead: (prompt) => full.minimumTokensPerHead(prompt),
    start: (prompt, model, grant) => {
      const selector = full.start(prompt, model, grant);
      return {
        select: (layer, importance) => {
          onLayer(importance, model.heads);
          return selector.select(layer, importance);
        },
      };
    },
  };
}

function idsOf(tokenizer: Tokenizer, text: string): number[] {
  return [...tokenizer.encode(text, { addSpecial: false })];
}

/** The prompt with text behind it, as if it had been generated. */
function withAnswer(prompt: PreparedPrompt, ids: readonly number[]): PreparedPrompt {
  if (ids.length === 0) return prompt;
  const before = prompt.inputIds.length;
  const tokens = before + ids.length;
  const inputIds = Int32Array.from([...prompt.inputIds, ...ids]);
  const positions = new Int32Array(prompt.axes * tokens);
  for (let axis = 0; axis < prompt.axes; axis++) {
    positions.set(prompt.positions.subarray(axis * before, (axis + 1) * before), axis * tokens);
    for (let i = 0; i < ids.length; i++) positions[axis * tokens + before + i] = prompt.nextPosition + i;
  }
  return {
    ...prompt,
    inputIds,
    positions,
    nextPosition: prompt.nextPosition + ids.length,
    segments: [...prompt.segments, { start: before, end: tokens, modality: 'text' }],
    question: { start: prompt.question.start, end: tokens },
  };
}

/** Images within the question's range, where the document stands behind the question, stay. */
function clearQuestion(row: Float32Array, { question, segments }: PreparedPrompt): void {
  for (const { modality, start, end } of segments) {
    if (modality === 'visual') continue;
    row.fill(
      0,
      Math.max(start, question.start),
      Math.max(Math.min(end, question.end), Math.max(start, question.start)),
    );
  }
}
