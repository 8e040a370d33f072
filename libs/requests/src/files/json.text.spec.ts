import { expect, it } from 'vitest';
import { InputFileError } from './input.file.error.js';
import { parseJsonText } from './json.text.js';

it('is a usage error that names the file and the place in it', () => {
  expect(parseJsonText('{"a":[1,"ü"]}', 'x')).toEqual({ a: [1, 'ü'] });
  const parse = (): unknown => parseJsonText('{]', 'data.jsonl', 7);
  expect(parse).toThrow(InputFileError);
  expect(parse).toThrow('data.jsonl: not JSON: line 7, column 2: unexpected "]"');
});
