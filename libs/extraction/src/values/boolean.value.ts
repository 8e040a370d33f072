import { plain, type Reading } from './reading.js';

const YES: ReadonlySet<string> = new Set(['yes', 'y', 'true', 'x', 'ja', 'oui', 'si', 'checked', 'ticked', '1']);
const NO: ReadonlySet<string> = new Set(['no', 'n', 'false', 'nein', 'non', 'unchecked', 'not ticked', 'nee', '0']);
const MARKS: Readonly<Record<string, boolean>> = {
  '✓': true,
  '✔': true,
  '☑': true,
  '☒': true,
  '☐': false,
  '✗': false,
  '✘': false,
};

/** Reads yes and no, as words of several languages or as marks of boxes; a sentence by its first word. */
export function readBoolean(answer: string): Reading {
  const mark = MARKS[answer.trim()];
  if (typeof mark === 'boolean') return { value: mark };
  const said = plain(answer);
  const first = said.split(' ')[0];
  for (const word of [said, /^[\p{L}']{2,}[,.;:](?=\s|$)/u.test(answer.trim()) ? first : said]) {
    if (YES.has(word)) return { value: true };
    if (NO.has(word)) return { value: false };
  }
  return { problem: 'is neither yes nor no' };
}
