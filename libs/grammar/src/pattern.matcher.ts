import { matcherOf } from './regular.automaton.js';
import { parseSearch } from './string.pattern.js';

/**
 * Whether a pattern of a schema is found in a text. No pattern makes it slow.
 * @param pattern one that `answerGrammar` takes
 */
export function patternMatcher(pattern: string): (text: string) => boolean {
  return matcherOf(parseSearch(pattern));
}
