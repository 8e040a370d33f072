import { Buffer } from 'node:buffer';
import type { GrammarConstraint } from '../grammar.constraint.js';
import type { TokenVocabulary } from '../token.vocabulary.js';

export interface Walk {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly ended: boolean;
}

/**
 * Writes an answer as a model would whose logits are drawn by `random`: the likeliest of what is allowed comes next.
 * Tokens that close something are likely, so that most answers end.
 */
export async function walk(
  constraint: GrammarConstraint,
  vocabulary: TokenVocabulary,
  random: () => number,
  maxTokens = 300,
): Promise<Walk> {
  const closing = new Set([...Buffer.from('"}],'), ...vocabulary.endIds]);
  const parts: Uint8Array[] = [];
  let ended = false;
  try {
    for (let step = 0; step < maxTokens && !ended; step++) {
      const logits = Float32Array.from({ length: vocabulary.size }, (_, id) => random() + (closing.has(id) ? 0.5 : 0));
      constraint.mask(logits);
      const id = logits.indexOf(Math.max(...logits));
      if (logits[id] === -Infinity) throw new Error('nothing is allowed');
      if (vocabulary.endIds.includes(id)) {
        ended = true;
        break;
      }
      parts.push(vocabulary.bytes(id));
      await constraint.accept(id);
      ended = constraint.ended;
    }
  } finally {
    constraint.free();
  }
  const bytes = Buffer.concat(parts);
  return { text: ended ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) : '', bytes, ended };
}
