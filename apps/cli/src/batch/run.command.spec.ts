import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture } from './run.fixture.js';

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
});
afterEach(() => fixture.stop());

describe('madakv batch run, of a folder', () => {
  const sheet =
    'custom_id,file,question,answer,page\nq1,a.pdf,Total?,5,1\n,b.pdf,"Who, where?",Ann,2\nq3,copy.pdf,Date?,,3\n';

  it('asks every question and writes a table in the order of the sheet, other columns kept', async () => {
    fixture.write('docs/questions.csv', sheet);
    const { code, stdout, stderr } = await fixture.madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/^3 of 3 answered in .*, cache 20\.0 % kept: 5\.86 MiB of 29\.3 MiB: out\.csv\n$/);
    expect(fixture.read('out.csv')).toBe(
      'custom_id,file,question,input_answer,page,answer,cache_kept,prompt_tokens,bytes_full,bytes_kept,warnings,error\n' +
        'q1,a.pdf,Total?,5,1,answer to Total?,0.2,1000,10240000,2048000,,\n' +
        'row-3,b.pdf,"Who, where?",Ann,2,"answer to Who, where?",0.2,1000,10240000,2048000,,\n' +
        'q3,copy.pdf,Date?,,3,answer to Date?,0.2,1000,10240000,2048000,,\n',
    );
    expect(fixture.has('out.csv.run.json')).toBe(false);
  });

  it('uploads equal documents once, and asks about them by id with what the flags say', async () => {
    fixture.write('docs/questions.csv', sheet);
    await fixture.madakv(
      'batch',
      'run',
      'docs',
      '--cache-ratio',
      '0.1',
      '--policy',
      'snapkv',
      '--max-tokens',
      '9',
      '--pages',
      '1-2',
    );
    expect(fixture.has('docs.answers.csv')).toBe(true);
    expect(fixture.sentDocuments()).toHaveLength(2);
    const ids = fixture.server.asked.map((body) => /file-\d+/.exec(JSON.stringify(body))?.[0]);
    expect(new Set(ids).size).toBe(2);
    expect(fixture.server.asked[0]).toMatchObject({
      model: 'fake-reader',
      temperature: 0,
      max_completion_tokens: 9,
      madakv: { cache_ratio: 0.1, policy: 'snapkv', pages: '1-2?' },
    });
  });

  it('writes failed lines into their place and ends with 1', async () => {
    fixture.write('docs/questions.csv', sheet);
    fixture.server.answer = (question) =>
      question === 'Total?' ? { status: 400, code: 'encrypted_pdf', message: 'needs a password' } : 'fine';
    const { code, stderr } = await fixture.madakv('batch', 'run', 'docs', '-o', 'out.jsonl');
    expect(code).toBe(1);
    expect(stderr).toContain('madakv: 1 of 3 lines failed; out.jsonl says why\n');
    const rows = fixture
      .read('out.jsonl')
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(rows.map(({ custom_id, answer, error }) => [custom_id, answer, error])).toEqual([
      ['q1', '', 'encrypted_pdf: needs a password'],
      ['row-3', 'fine', ''],
      ['q3', 'fine', ''],
    ]);
  });

  it.each([
    ['file,answer\na.pdf,x\n', 'no column question; there are file, answer'],
    ['file,question\n', 'no questions'],
    ['file,question\na.pdf,\n', 'line 2: no question'],
    ['custom_id,file,question\nx,a.pdf,Why?\nx,b.pdf,When?\n', 'line 3: the custom_id "x" stands twice'],
    ['file,question\na.pdf,"Why?\n', 'Quote Not Closed'],
  ])('refuses the sheet %j before anything is sent', async (content, message) => {
    fixture.write('docs/questions.csv', content);
    const { code, stderr } = await fixture.madakv('batch', 'run', 'docs');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) as string });
    expect(fixture.server.calls).toEqual([]);
  });
});
