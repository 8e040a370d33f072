import type { PreparedImageRef, PreparedQuestion } from '@madakv/contracts';
import { createHash } from 'node:crypto';
import { passageOf, shortKey } from '../passage.key.js';

/**
 * Names what a prompt begins with: everything up to its last page or image, or a long passage. Workers tell each other by this name
 * which documents they hold; what of it they can use is decided by the engine, on tokens and pixels.
 * @returns undefined where there is nothing worth holding
 */
export function promptKey(
  messages: PreparedQuestion['messages'],
  images: readonly PreparedImageRef[],
): string | undefined {
  const parts = messages.flatMap(({ role, content }) =>
    content.map((part) => (part.type === 'text' ? [role, part.text] : [role, null, images[part.index].key])),
  );
  const last = parts.findLastIndex(([, text]) => text === null);
  const beginning = last < 0 ? passageOf(JSON.stringify(parts)) : JSON.stringify(parts.slice(0, last + 1));
  return beginning === undefined ? undefined : shortKey(createHash('sha256').update(beginning));
}
