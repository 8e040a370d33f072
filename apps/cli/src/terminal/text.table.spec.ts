import { describe, expect, it } from 'vitest';
import { bar, textTable } from './text.table.js';

describe('textTable', () => {
  it('sets numbers to the right and words to the left, without trailing blanks', () => {
    const rows = [
      ['full', 1000, 'x'],
      ['kept', 2, ''],
    ];
    expect(textTable(['cache', 'rows', 'note'], rows)).toBe('cache  rows  note\nfull   1000  x\nkept      2\n');
  });

  it('stands without rows', () => {
    expect(textTable(['a', 'b'], [])).toBe('a  b\n');
  });
});

describe('bar', () => {
  it('is as long as its share', () => {
    expect([0, 0.5, 1, 2].map((share) => bar(share, 4))).toEqual(['', '██', '████', '████']);
    expect(bar(0.3, 4)).toBe('█▎');
  });
});
