import { decodeStep, type Decoder, type LayerCache } from '@madakv/engine';
import type { PreparedPrompt } from '@madakv/models';

export interface GreedySequence {
  /** Without the id that ended the answer. */
  readonly tokenIds: number[];
  readonly finishReason: 'stop' | 'length';
}

export interface GreedySettings {
  readonly maxTokens: number;
  /** `[vocab]` that the first token of every sequence is chosen from; without it the last prompt token is replayed. */
  readonly firstLogits: Float32Array | undefined;
  readonly stopIds: readonly number[];
  /** @returns `[hidden]` */
  readonly embedding: (id: number) => Float32Array;
  readonly signal: AbortSignal;
}

/** A sequence that is not over yet. */
interface Running extends GreedySequence {
  finishReason: 'stop' | 'length';
  readonly caches: readonly LayerCache[];
  newest: { readonly id: number; readonly position: Int32Array };
  over: boolean;
}

/**
 * Decodes several continuations of one prompt together, each on caches of its own, always taking the likeliest token.
 * @param caches `[sequences][layers]`
 */
export async function decodeGreedily(
  decoder: Decoder,
  caches: readonly (readonly LayerCache[])[],
  prompt: PreparedPrompt,
  settings: GreedySettings,
): Promise<GreedySequence[]> {
  const sequences: Running[] = caches.map((own) => ({
    caches: own,
    tokenIds: [],
    finishReason: 'length',
    newest: lastPromptToken(prompt),
    over: false,
  }));
  if (settings.firstLogits !== undefined) {
    for (const sequence of sequences) accept(sequence, settings.firstLogits, prompt, settings);
  }
  const { vocabSize } = decoder.config;
  for (;;) {
    const running = sequences.filter(({ over }) => !over);
    if (running.length === 0) return sequences;
    settings.signal.throwIfAborted();
    const logits = await decodeStep(
      decoder,
      running.map(({ newest, caches: own }) => ({
        embedding: settings.embedding(newest.id),
        position: newest.position,
        caches: own,
      })),
    );
    running.forEach((sequence, row) => {
      accept(sequence, logits.subarray(row * vocabSize, (row + 1) * vocabSize), prompt, settings);
    });
  }
}

function accept(
  sequence: Running,
  logits: Float32Array,
  prompt: PreparedPrompt,
  { stopIds, maxTokens }: GreedySettings,
): void {
  const id = likeliest(logits);
  if (stopIds.includes(id)) {
    sequence.finishReason = 'stop';
    sequence.over = true;
    return;
  }
  sequence.tokenIds.push(id);
  sequence.over = sequence.tokenIds.length >= maxTokens;
  const at = prompt.nextPosition + sequence.tokenIds.length - 1;
  sequence.newest = { id, position: new Int32Array(prompt.axes).fill(at) };
}

/** The first of the largest. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

function lastPromptToken({ inputIds, positions, axes }: PreparedPrompt): Running['newest'] {
  const last = inputIds.length - 1;
  const position = Int32Array.from({ length: axes }, (_, axis) => positions[axis * inputIds.length + last]);
  return { id: inputIds[last], position };
}
