import type { TokenizerFile } from './tokenizer.file.js';

type Step = NonNullable<TokenizerFile['pre_tokenizer']>;

/**
 * The file with its `Digits` steps spelt out: the reference takes every numeral of Unicode for a digit (`½`, `１`, `٣`), the library here
 * those of ASCII alone.
 */
export function withAllNumerals(file: TokenizerFile): TokenizerFile {
  const { pre_tokenizer: own } = file;
  return own == null ? file : { ...file, pre_tokenizer: spelt(own) };
}

function spelt(step: Step): Step {
  const { pretokenizers } = step;
  if (Array.isArray(pretokenizers)) return { ...step, pretokenizers: (pretokenizers as Step[]).map(spelt) };
  if (step.type !== 'Digits') return step;
  const pattern = { Regex: step['individual_digits'] === true ? '\\p{N}' : '\\p{N}+' };
  return { type: 'Split', pattern, behavior: 'Isolated', invert: false };
}
