import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture, requestLine } from './run.fixture.js';

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
  fixture.write('in.jsonl', `${requestLine('a')}\n`);
  fixture.write('q.csv', 'question\nTotal?\nDate?\n');
});
afterEach(() => fixture.stop());

const run = (...args: string[]) => fixture.madakv('batch', 'run', ...args);

describe('madakv batch run, what it is given', () => {
  it('asks about one document', async () => {
    expect((await run('docs/a.pdf', '--questions', 'q.csv', '--pages', '1-3')).code).toBe(0);
    expect(fixture.read('a.answers.csv')).toContain('row-2,a.pdf,Total?,answer to Total?');
    expect(fixture.server.asked.map(({ madakv }) => madakv)).toEqual([{ pages: '1-3' }, { pages: '1-3' }]);
  });

  it.each(['%PDF-1.7 ...', '\x89PNG\r\n', '\xff\xd8\xff\xe0', 'GIF89a', 'II*\0', 'MM\0*', 'RIFF1234WEBP'])(
    'knows a document by its content %j',
    async (head) => {
      fixture.write('scan', Buffer.from(head, 'latin1'));
      expect((await run('scan')).stderr).toContain('scan: is a document');
    },
  );

  it.each([
    [
      ['docs/a.pdf'],
      /^madakv: docs\/a\.pdf: is a document: name the questions about it with --questions, or ask one with `(npx )?madakv ask docs\/a\.pdf "\.\.\."`\n$/,
    ],
    [
      ['q.csv'],
      /^madakv: q\.csv: is a table: give the folder of its documents, .*`(npx )?madakv batch run FOLDER --questions q\.csv`\n$/,
    ],
    [['table.xlsx'], /^madakv: table\.xlsx: is a table: /],
    [
      ['page.html'],
      /^madakv: page\.html: no line of it is a JSON object; expected JSON Lines of batch requests, a folder of documents, or one document/,
    ],
    [['utf16.jsonl'], /^madakv: utf16\.jsonl: is UTF-16; save the file as UTF-8\n$/],
    [
      ['docs/a.pdf', '--questions', 'other.csv'],
      /^madakv: other\.csv: line 2: asks about b\.pdf, but the input is a\.pdf/,
    ],
    [['in.jsonl', '--questions', 'q.csv'], /^madakv: --questions is for a folder of documents or one document/],
    [['docs', '--questions', 'q.csv'], /^madakv: q\.csv: no column file; there are question\n$/],
    [['docs', '--questions', 'none.csv'], /^madakv: none\.csv: no such file\n$/],
    [
      ['docs/a.pdf', '--questions', 'q.csv', '-o', 'q.csv'],
      /^madakv: q\.csv: results would be written over what is asked\n$/,
    ],
    [['in.jsonl', '-o', 'folder.csv'], /^madakv: folder\.csv: is a folder; name a \.csv or \.jsonl file\n$/],
    [['in.jsonl', '-o', 'q.csv/out.csv'], /^madakv: q\.csv\/out\.csv: its folder .*q\.csv cannot be made\n$/],
    [['in.jsonl', '--pages', 'one'], /It must be pages and spans like 1-3,7,12-/],
  ])('refuses %j before anything is sent', async (args, message) => {
    fixture.write('table.xlsx', 'PK');
    fixture.write('page.html', '<html>\n</html>\n');
    fixture.write('utf16.jsonl', Buffer.from(`\ufeff${requestLine('a')}\n`, 'utf16le'));
    fixture.write('other.csv', 'file,question\nb.pdf,Total?\n');
    fixture.write('folder.csv/x', '');
    const { code, stderr } = await run(...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as string });
    expect(fixture.server.calls).toEqual([]);
  });

  it('makes the folder of the results', async () => {
    expect((await run('in.jsonl', '-o', 'new/er/out.jsonl')).code).toBe(0);
    expect(fixture.rows('new/er/out.jsonl')).toHaveLength(1);
  });

  // The superuser may write anywhere.
  it.skipIf(process.getuid?.() === 0)('says when the folder of the results may not be written to', async () => {
    fixture.write('locked/x', '');
    chmodSync(fixture.path('locked'), 0o500);
    const { code, stderr } = await run('in.jsonl', '-o', 'locked/out.jsonl');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('may not be written to') as string });
    expect(fixture.server.calls).toEqual([]);
  });

  it('says that a server wants a key', async () => {
    fixture.server.apiKey = 'mk-2';
    const { captureRun } = await import('../captured.run.js');
    const args = ['batch', 'run', 'in.jsonl', '--url', fixture.server.url, '--data', fixture.path('data')];
    const { code, stderr } = await captureRun(args, { cwd: fixture.folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^madakv: the server at http:\S+ wants an API key: give one with --api-key or MADAKV_API_KEY/,
    );
  });
});
