import { describe, expect, it } from 'vitest';
import { parsePageRanges } from './page.ranges.js';

describe('parsePageRanges', () => {
  it.each([
    [undefined, 4, [1, 2, 3, 4]],
    ['2', 4, [2]],
    ['1-3,7', 9, [1, 2, 3, 7]],
    [' 1 - 2 , 4 ', 4, [1, 2, 4]],
    ['3-', 5, [3, 4, 5]],
    ['5-', 5, [5]],
    ['4,1-2,2-3,4', 4, [1, 2, 3, 4]],
    // What there is of them.
    ['1-3?', 5, [1, 2, 3]],
    ['1-3?', 2, [1, 2]],
    ['1,4-9 ?', 5, [1, 4, 5]],
    ['2,7?', 5, [2]],
    ['7?,4-?', 5, [4, 5]],
    ['1-999999999?', 3, [1, 2, 3]],
  ])('reads %s of %i pages', (text, pageCount, pages) => {
    expect(parsePageRanges(text, pageCount)).toEqual(pages);
  });

  it.each([
    ['', 'bad_page_range', /an empty part/],
    ['1,,2', 'bad_page_range', /an empty part/],
    ['one', 'bad_page_range', /"one" in the page range "one"; expected/],
    ['-3', 'bad_page_range', /"-3"/],
    ['1-2-3', 'bad_page_range', /"1-2-3"/],
    ['1.5', 'bad_page_range', /"1.5"/],
    ['0', 'bad_page_range', /page 0 .* pages count from 1/],
    ['3-2', 'bad_page_range', /3-2 runs backwards/],
    ['1'.repeat(1001), 'bad_page_range', /1001 characters long; the limit is 1000/],
    ['3-2?', 'bad_page_range', /runs backwards/],
    ['0?', 'bad_page_range', /page 0/],
    ['?', 'bad_page_range', /"\?"/],
    ['1-3??', 'bad_page_range', /expected pages and spans/],
    ['5-7?,9?', 'page_out_of_range', /none of the pages "5-7\?,9\?" is there; the document has 4 pages/],
    ['1?,9', 'page_out_of_range', /page 9 was asked for/],
    ['5', 'page_out_of_range', /page 5 was asked for; the document has 4 pages/],
    ['2-9', 'page_out_of_range', /page 9 was asked for/],
    ['6-', 'page_out_of_range', /page 6 was asked for/],
    // A span of a billion pages must not be listed before it is refused.
    ['1-999999999', 'page_out_of_range', /page 999,999,999/],
  ])('refuses %s', (text, code, message) => {
    const parse = () => parsePageRanges(text, 4);
    expect(parse).toThrow(expect.objectContaining({ code }));
    expect(parse).toThrow(message);
  });
});
