import { join } from 'node:path';
import { openModel } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { FIXTURES, readJson } from './fixture.reader.js';

interface Row {
  text: string;
  ids: number[];
  bare: number[];
  decoded: string;
  decoded_all: string;
}

const cases = readJson(join(FIXTURES, 'processing', 'tokens.json')) as Record<string, Row[]>;

describe.each(Object.entries(cases))('tokenizer of %s', (name, rows) => {
  const { tokenizer } = openModel(join(FIXTURES, name, 'checkpoint'));

  it.each(rows)('reads and writes $text', ({ text, ids, bare, decoded, decoded_all: decodedAll }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.encode(text, { addSpecial: false })).toEqual(bare);
    expect(tokenizer.decode(ids)).toBe(decoded);
    expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(decodedAll);
  });
});
