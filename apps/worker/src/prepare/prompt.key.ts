import type { PreparedImageRef, PreparedQuestion } from '@madakv/contracts';
import { createHash } from 'node:crypto';

/** Texts that begin with so many equal characters are about the same passage, where they are at least half as long again. */
const PASSAGE_CHARACTERS = 1_024;
const LEAST_CHARACTERS = 1.5 * PASSAGE_CHARACTERS;
const KEY_LENGTH = 22;

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
  let beginning = JSON.stringify(parts.slice(0, last + 1));
  if (last < 0) {
    beginning = JSON.stringify(parts);
    if (beginning.length < LEAST_CHARACTERS) return undefined;
    beginning = beginning.slice(0, PASSAGE_CHARACTERS);
  }
  return createHash('sha256').update(beginning).digest('base64url').slice(0, KEY_LENGTH);
}
