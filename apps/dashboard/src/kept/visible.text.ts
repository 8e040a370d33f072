/** A token's text with its white space to be seen: line ends and tabs get a sign before them, and what is nothing but spaces gets dots. */
export function visibleText(text: string): string {
  const shown = /^ +$/.test(text) ? '·'.repeat(text.length) : text;
  return shown.replaceAll('\r', '␍').replaceAll('\n', '↵\n').replaceAll('\t', '⇥\t');
}

/** Steps of shading: one of them is seen beside the next. */
const LEVELS = 8;

/**
 * How strongly a piece is shaded: 0 where nobody kept any of its tokens, 8 where all kept all.
 * @param heat one byte a token, 255 where all kept it
 * @param start its first token. @param tokens how many it has
 */
export function shadeOf(heat: Uint8Array, start: number, tokens: number): number {
  let most = 0;
  for (let at = start; at < start + tokens; at++) most = Math.max(most, heat[at] ?? 0);
  return Math.ceil((LEVELS * most) / 255);
}
