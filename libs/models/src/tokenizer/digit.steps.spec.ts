import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { Tokenizer } from './tokenizer.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-digits-'));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** A tokenizer that merges whatever stands together in a word. */
function wordsWith(individual: boolean): Tokenizer {
  const words = ['ĠÂ½', 'Ġ', 'Â½', 'ï¼ĳï¼Ĵ', 'ï¼ĳ', 'ï¼Ĵ', 'Ġx', '12', '1', '2'];
  const file = {
    added_tokens: [],
    normalizer: null,
    post_processor: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Digits', individual_digits: individual },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    decoder: { type: 'ByteLevel' },
    model: { type: 'WordLevel', vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: 'Ġ' },
  };
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(file));
  return Tokenizer.open(new CheckpointFolder(dir));
}

it('splits at numerals as the reference does, those beyond ASCII too', () => {
  const tokens = (tokenizer: Tokenizer, text: string) =>
    tokenizer.encode(text, { addSpecial: false }).map((id) => tokenizer.token(id));
  expect(tokens(wordsWith(true), ' ½')).toEqual(['Ġ', 'Â½']);
  expect(tokens(wordsWith(true), '１２')).toEqual(['ï¼ĳ', 'ï¼Ĵ']);
  expect(tokens(wordsWith(true), '12 x')).toEqual(['1', '2', 'Ġx']);
  expect(tokens(wordsWith(false), '１２')).toEqual(['ï¼ĳï¼Ĵ']);
  expect(tokens(wordsWith(false), ' ½')).toEqual(['Ġ', 'Â½']);
});
