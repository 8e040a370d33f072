import type { Hash } from 'node:crypto';

/** Texts that begin with so many equal characters are about the same passage, where they are at least half as long again. */
const PASSAGE_CHARACTERS = 1_024;
const LEAST_CHARACTERS = 1.5 * PASSAGE_CHARACTERS;
const KEY_LENGTH = 22;

/** What a text without documents has in common with others about the same passage; undefined where it is short. */
export function passageOf(text: string): string | undefined {
  return text.length < LEAST_CHARACTERS ? undefined : text.slice(0, PASSAGE_CHARACTERS);
}

/** A name of what was hashed, short enough for a key and long enough to be nobody else's. */
export function shortKey(hash: Hash): string {
  return hash.digest('base64url').slice(0, KEY_LENGTH);
}
