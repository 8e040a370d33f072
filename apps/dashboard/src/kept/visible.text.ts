/** A token's text with its white space to be seen: line ends and tabs get a sign before them, and what is nothing but spaces gets dots. */
export function visibleText(text: string): string {
  const shown = /^ +$/.test(text) ? '·'.repeat(text.length) : text;
  return shown.replaceAll('\r', '␍').replaceAll('\n', '↵\n').replaceAll('\t', '⇥\t');
}

/** Steps of shading: one of them is seen beside the next. */
const LEVELS = 8;

/**
 * Of the tokens of a piece, how many heads kept the one that most kept.
 * @param heat one byte a token, 255 where all kept it
 * @param start its first token. @param tokens how many it has
 */
export function mostOf(heat: Uint8Array, start: number, tokens: number): number {
  return heat.subarray(start, start + tokens).reduce((most, cell) => Math.max(most, cell), 0);
}

/** How strongly a piece is shaded: 0 where nobody kept any of its tokens, 8 where all heads kept one of them. */
export function shadeOf(heat: Uint8Array, start: number, tokens: number): number {
  return Math.ceil((LEVELS * mostOf(heat, start, tokens)) / 255);
}
