import { rougeL } from './rouge.js';

/**
 * Scores as MileBench takes them (Song et al. 2024, arXiv 2404.18532, its evaluate.py), each on {@link milebenchText} of both
 * sides. ROUGE-L counts every word as often as it stands there.
 */
export const milebenchScorers = {
  /** The truth is one of the answer's words. */
  'milebench-needle': (answer: string, expected: string): number =>
    Number(milebenchText(answer).split(/\s+/).includes(milebenchText(expected))),
  /** The truth lies within the answer. */
  'milebench-contains': (answer: string, expected: string): number =>
    Number(milebenchText(answer).includes(milebenchText(expected))),
  'milebench-rouge': (answer: string, expected: string): number =>
    rougeL(milebenchText(answer), milebenchText(expected)),
  /** The option that the answer means is the truth. */
  'milebench-choice': (answer: string, expected: string, choices: readonly string[]): number => {
    const options = choices.map(milebenchText);
    return Number(chosenLetters(milebenchText(answer), options) === letter(options.indexOf(milebenchText(expected))));
  },
} as const;

const PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'.split('');

/**
 * Text as MileBench compares it: one line, lower case, without punctuation. A mark that stands beside a blank somewhere in
 * the text, and every mark of a text with a number like 1,000, goes; others become blanks. Full stops stay within numbers.
 */
export function milebenchText(text: string): string {
  const plain = text.replace(/[\n\t]/g, ' ').trim();
  const grouped = /\d,\d/.test(plain);
  const bare = PUNCTUATION.reduce((result, mark) => {
    const drops = grouped || plain.includes(`${mark} `) || plain.includes(` ${mark}`);
    return result.replaceAll(mark, drops ? '' : ' ');
  }, plain);
  return bare
    .replace(/\.(?!\d)/g, '')
    .replace(/^'+|'+$/g, '')
    .replace(/^"+|"+$/g, '')
    .trim()
    .toLowerCase();
}

/**
 * Letter of the option that an answer names: by letter and text, by text, by letter; else all letters in it that stand for
 * an option. No answer counts as C.
 */
function chosenLetters(answer: string, options: readonly string[]): string {
  if (answer === '') return 'C';
  const named = earliest(
    answer,
    options.map((option, i) => milebenchText(`${letter(i)} ${option}`)),
  );
  if (named !== -1) return letter(named);
  const written = earliest(
    answer.replaceAll(' ', ''),
    options.map((option) => option.replaceAll(' ', '')),
  );
  if (written !== -1) return letter(written);
  return Array.from(answer.toUpperCase())
    .filter((sign) => options.some((_, i) => letter(i) === sign))
    .join('');
}

/** Index of the candidate that stands first in a text, the first of equals; -1 for none. */
function earliest(text: string, candidates: readonly string[]): number {
  let [best, at] = [-1, Infinity];
  candidates.forEach((candidate, i) => {
    const found = text.indexOf(candidate);
    if (found !== -1 && found < at) [best, at] = [i, found];
  });
  return best;
}

function letter(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}
