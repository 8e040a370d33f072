import { plain } from './reading.js';

/** What is answered for a field that the document does not have, without case and marks. */
const ABSENT: ReadonlySet<string> = new Set([
  'not stated',
  'not given',
  'not available',
  'not applicable',
  'not found',
  'not mentioned',
  'not specified',
  'not provided',
  'not present',
  'no information',
  'no value',
  'n a',
  'na',
  'nil',
  'none',
  'null',
  'unknown',
  'keine angabe',
  'k a',
  'non indique',
  'non precise',
  'n v t',
  'n d',
]);

/** `The document does not state a due date.`: how general models say it in a sentence. */
const SENTENCE =
  /^(?:the |this |there )?[\p{L}\p{N} ]{0,60}(?:\b(?:does|do|is|are|was|were) not|\b(?:does|is|are)n t|\bis no|\bno)\b[\p{L}\p{N} ]{0,40}\b(?:states?|stated|mention(?:s|ed)?|specif(?:y|ies|ied)|provided?|contain(?:s|ed)?|given|found|available|visible|listed|shown)\b/u;
/** Longer ones say more than that. */
const LONGEST_SENTENCE = 160;

/** Whether an answer says that the document does not have the value. */
export function isAbsent(answer: string): boolean {
  const said = plain(answer);
  // Marks alone say nothing; a sign, as of a currency, does.
  if (ABSENT.has(said) || (said === '' && !/\p{S}/u.test(answer))) return true;
  return said.includes(' ') && said.length <= LONGEST_SENTENCE && /[.!]\s*$/u.test(answer) && SENTENCE.test(said);
}
