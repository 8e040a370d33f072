import { describe, expect, it } from 'vitest';
import { parseJson } from './json.text.js';

describe('parseJson', () => {
  it('parses', () => {
    expect(parseJson('{"a":[1,"ü"]}')).toEqual({ a: [1, 'ü'] });
  });

  it.each([
    ['{"a":1,}', 'line 1, column 8: unexpected "}"'],
    ['{\n  "a": tru\n}', 'line 2, column 11: unexpected "\\n"'],
    ['{\n  a: 1\n}', 'line 2, column 3: unexpected "a"'],
    ["{'a': 1}", 'line 1, column 2: unexpected "\'"'],
    ['{"a": "x\ny"}', 'line 1, column 9: unexpected "\\n"'],
    ['[1 2]', 'line 1, column 4: unexpected "2"'],
    ['{"a":1} x', 'line 1, column 9: unexpected "x"'],
    ['{"a": [1, 2', 'line 1, column 12: the text ends too early'],
    ['{"a": "x', 'line 1, column 9: the text ends too early'],
    ['', 'line 1, column 1: the text ends too early'],
  ])('finds what is wrong with %j', (text, message) => {
    expect(() => parseJson(text)).toThrow(
      expect.objectContaining({ code: 'invalid_json', message: `not JSON: ${message}` }),
    );
  });

  it('finds the place in a long text', () => {
    const text = `{"long": "${'y'.repeat(5_000_000)}", "b": [1, 2,, 3]}`;
    expect(() => parseJson(text)).toThrow('not JSON: line 1, column 5000025: unexpected ","');
  });

  it('counts lines of any number', () => {
    expect(() => parseJson(`${'\n'.repeat(500_000)} x`)).toThrow('not JSON: line 500001, column 2: unexpected "x"');
  });

  it('counts lines from where the text starts in its file', () => {
    expect(() => parseJson('{]', 7)).toThrow('not JSON: line 7, column 2: unexpected "]"');
  });
});
