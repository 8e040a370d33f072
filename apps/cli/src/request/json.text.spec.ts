import { expect, it } from 'vitest';
import { UsageError } from '../exit.codes.js';
import { parseJson } from './json.text.js';

it('is a usage error that names the file and the place in it', () => {
  expect(parseJson('{"a":[1,"ü"]}', 'x')).toEqual({ a: [1, 'ü'] });
  const parse = (): unknown => parseJson('{]', 'data.jsonl', 7);
  expect(parse).toThrow(UsageError);
  expect(parse).toThrow('data.jsonl: not JSON: line 7, column 2: unexpected "]"');
});
