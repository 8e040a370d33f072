import { characterSet, type CharacterSet } from './character.set.js';

/** A regular expression as a tree. What it matches is a text before JSON escapes it. */
export type Regular =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'all'; readonly parts: readonly Regular[] }
  | { readonly kind: 'any'; readonly parts: readonly Regular[] }
  /** `most` may be Infinity. */
  | { readonly kind: 'repeat'; readonly part: Regular; readonly least: number; readonly most: number };

export const all = (...parts: readonly Regular[]): Regular => ({ kind: 'all', parts });
export const any = (...parts: readonly Regular[]): Regular => ({ kind: 'any', parts });
export const repeat = (part: Regular, least: number, most: number): Regular => ({ kind: 'repeat', part, least, most });
export const maybe = (part: Regular): Regular => repeat(part, 0, 1);
export const ofSet = (set: CharacterSet): Regular => ({ kind: 'set', set });

/** One character from `from` to `to`. */
export function span(from: string, to = from): Regular {
  return ofSet(characterSet.span(from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0));
}

export function text(characters: string): Regular {
  return all(...Array.from(characters, (character) => span(character)));
}
