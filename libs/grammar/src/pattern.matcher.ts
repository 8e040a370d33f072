import { matcherOf } from './regular.automaton.js';
import { parseSearch } from './string.pattern.js';

/**
 * Whether a pattern of a schema is found in a text. Never in less than it; some texts with characters beyond ASCII are not
 * recognised (see `character.set.ts`). No pattern makes it slow.
 * @param pattern one that `answerGrammar` takes
 */
export function patternMatcher(pattern: string): (text: string) => boolean {
  return matcherOf(parseSearch(pattern));
}
