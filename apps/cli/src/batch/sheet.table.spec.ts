import { describe, expect, it } from 'vitest';
import { UsageError } from '../exit.codes.js';
import { readTable } from './sheet.table.js';

const KNOWN = ['custom_id', 'file', 'question'];
const REQUIRED = ['file', 'question'];
const read = (text: string) => readTable({ text }, 'q.csv', KNOWN, REQUIRED);
const cells = (text: string) => read(text).rows.map(({ cells }) => Object.fromEntries(cells));

describe('readTable', () => {
  it.each([
    ['commas', 'file,question\na.pdf,"one, two; three"\n', 'one, two; three'],
    ['semicolons', 'file;question\na.pdf;one, two\n', 'one, two'],
    ['semicolons', 'sep=;\r\nfile;question\r\na.pdf;one, two\r\n', 'one, two'],
    ['tabs', 'file\tquestion\ra.pdf\tone, two\r', 'one, two'],
    ['vertical bars', 'file|question\na.pdf|one, two', 'one, two'],
    ['"#"', '"sep=#"\nfile#question\na.pdf#one, two\n', 'one, two'],
    // More commas than semicolons in the header, yet only semicolons make columns of it.
    ['semicolons', '"a,b,c,d";file;question\nx;a.pdf;one, two\n', 'one, two'],
  ])('finds %s in %j', (separator, text, question) => {
    expect(read(text).separator).toBe(separator);
    expect(cells(text)[0]).toMatchObject({ file: 'a.pdf', question });
  });

  it('takes known columns in any case and order, others as they stand', () => {
    const { columns, rows } = read('\u00a0Question ,FILE,"Custom ID",Notes,2024\r\nWhy?, a.pdf\u00a0,7,x,y\r\n');
    expect(columns).toEqual(['question', 'file', 'custom_id', 'Notes', '2024']);
    expect([...rows[0].cells]).toEqual([
      ['question', 'Why?'],
      ['file', 'a.pdf'],
      ['custom_id', '7'],
      ['Notes', 'x'],
      ['2024', 'y'],
    ]);
  });

  it('passes over blank rows, before the header too, and counts lines as the file does', () => {
    const text = '\r\n,,\r\nfile,question,\r\na.pdf,One?,\r\n,,\r\n , ,\u00a0\r\n\r\nb.pdf,"Two\r\nlines?",\r\n,,\r\n';
    expect(read(text).rows.map(({ line, cells: row }) => [line, row.get('file'), row.get('question')])).toEqual([
      [4, 'a.pdf', 'One?'],
      [9, 'b.pdf', 'Two\nlines?'],
    ]);
    expect(read(text).columns).toEqual(['file', 'question']);
  });

  it('takes rows that are too short, quotes inside of cells, and columns of the same name', () => {
    expect(cells('file,question,note,note\na.pdf,What does "net" mean?\n')).toEqual([
      { file: 'a.pdf', question: 'What does "net" mean?', note: '', note_2: '' },
    ]);
  });

  it.each([
    ['', 'q.csv: no questions'],
    [',,\n', 'q.csv: no questions'],
    ['file,question\n,\n', 'q.csv: no questions: there is only a header'],
    ['file;answer\na.pdf;x\n', 'q.csv: no column question; there are file, answer'],
    ['question\nWhy?\n', 'q.csv: no column file; there are question'],
    ['file,question,File\na.pdf,Why?,b.pdf\n', 'q.csv: two columns are called file'],
    [
      'file,question\na.pdf,Who, where?\n',
      'q.csv: line 2 has 3 cells for 2 columns; a cell with commas in it stands in',
    ],
    ['file,question\na.pdf,"Why?\n', 'q.csv: Quote Not Closed'],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(UsageError);
    expect(() => read(text)).toThrow(message);
  });
});
