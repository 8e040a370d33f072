import iconv from 'iconv-lite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture } from './run.fixture.js';

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
  fixture.server.refuseUpload = (content) =>
    content.startsWith('<html') ? 'the content is not recognised' : undefined;
});
afterEach(() => fixture.stop());

const run = (...args: string[]) => fixture.madakv('batch', 'run', 'docs', ...args);
const asked = (): unknown[] =>
  fixture.server.asked.map((body) => (body['madakv'] as { pages?: string } | undefined)?.pages);

describe('madakv batch run, with documents that cannot be asked about', () => {
  const sheet =
    'custom_id,file,question\n1,page.html,A?\n2,a.pdf,B?\n3,none.pdf,C?\n4,empty.pdf,D?\n5,sub,E?\n6,b.pdf,F?\n7,page.html,G?\n';

  beforeEach(() => {
    fixture.write('docs/questions.csv', sheet);
    fixture.write('docs/page.html', '<html>');
    fixture.write('docs/empty.pdf', '');
    fixture.write('docs/sub/x.pdf', 'x');
  });

  it('answers all others, and says of each what is wrong with it', async () => {
    const { code, stderr } = await run('-o', 'out.jsonl');
    expect(code).toBe(1);
    expect(fixture.rows('out.jsonl').map(({ custom_id, answer, error }) => [custom_id, answer, error])).toEqual([
      ['1', '', 'invalid_document: page.html: the content is not recognised'],
      ['2', 'answer to B?', ''],
      ['3', '', 'not_found: none.pdf: no such document in docs'],
      ['4', '', 'invalid_document: empty.pdf: the file is empty'],
      ['5', '', 'invalid_document: sub: is a folder, not a document'],
      ['6', 'answer to F?', ''],
      ['7', '', 'invalid_document: page.html: the content is not recognised'],
    ]);
    expect(stderr).toContain('2 of 7 answered in ');
    expect(stderr).toContain('\n  1: invalid_document: page.html: the content is not recognised\n');
    expect(stderr).toContain('madakv: 5 of 7 lines failed; out.jsonl says why\n');
    expect(fixture.server.files.size).toBe(1);
  });

  it('writes results also when nothing can be asked', async () => {
    fixture.write('docs/questions.csv', 'file,question\npage.html,A?\nnone.pdf,B?\n');
    const { code, stderr } = await run('-o', 'out.csv');
    expect(code).toBe(1);
    expect(stderr).toContain('2 of 2 lines failed');
    expect(fixture.read('out.csv').trim().split('\n')).toHaveLength(3);
    expect(fixture.server.batches.size).toBe(0);
    expect(fixture.has('out.csv.run.json')).toBe(false);
  });

  it('keeps to its rows when it is interrupted and goes on', async () => {
    await fixture.interrupted('batch', 'run', 'docs', '-o', 'out.jsonl');
    expect((await run('-o', 'out.jsonl')).code).toBe(1);
    expect(fixture.server.batches.size).toBe(1);
    expect(fixture.rows('out.jsonl').map(({ error }) => String(error).split(':')[0])).toEqual([
      'invalid_document',
      '',
      'not_found',
      'invalid_document',
      'invalid_document',
      '',
      'invalid_document',
    ]);
  });

  it('ends when it is not the document that the server refuses', async () => {
    fixture.server.apiKey = 'mk-2';
    const { code, stderr } = await run('--model', 'fake-reader');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /does not take the API key of --api-key or MADAKV_API_KEY: no such key \(401 invalid_api_key\)\n$/,
    );
  });

  it('passes over system files, and says so', async () => {
    fixture.write('docs/._a.pdf', 'resource fork');
    fixture.write('docs/questions.csv', 'file,question\n._a.pdf,A?\na.pdf,B?\n.DS_Store,C?\n');
    const { code, stderr } = await run('-o', 'out.jsonl');
    expect(code).toBe(0);
    expect(stderr).toContain('passed over what is no document but a system file: ._a.pdf, .DS_Store\n');
    expect(fixture.rows('out.jsonl').map(({ file }) => file)).toEqual(['a.pdf']);
  });
});

describe('madakv batch run, what it leaves at the server', () => {
  beforeEach(() => {
    fixture.write('docs/questions.csv', 'file,question\na.pdf,A?\ncopy.pdf,B?\nb.pdf,C?\n');
  });

  it('is only the results: uploads are made to expire, and deleted at the end', async () => {
    expect((await run()).code).toBe(0);
    expect(fixture.sentDocuments()).toHaveLength(2);
    for (const { expires_at = 0, created_at } of fixture.server.uploads) expect(expires_at - created_at).toBe(172_800);
    expect([...fixture.server.files.values()].map(({ object }) => object.purpose)).toEqual(['batch_output']);
    expect(fixture.server.created).toMatchObject([
      { output_expires_after: { anchor: 'created_at', seconds: 2_592_000 } },
    ]);
  });

  it('is nothing of a batch that was refused', async () => {
    fixture.server.refusal = 'more than one model';
    expect((await run()).code).toBe(1);
    expect(fixture.server.files.size).toBe(0);
    expect(fixture.has('docs.answers.csv.run.json')).toBe(false);
  });

  it('stays with --keep-files, and the next run sends only what is new', async () => {
    expect((await run('--keep-files')).code).toBe(0);
    expect(fixture.server.uploads.every(({ expires_at }) => expires_at === undefined)).toBe(true);
    expect(fixture.server.created[0]).not.toHaveProperty('output_expires_after');
    fixture.write('docs/b.pdf', 'changed');
    expect((await run('-o', 'again.csv')).code).toBe(0);
    // Those of one run are sent side by side.
    const [first, second] = [fixture.sentDocuments().slice(0, 2).sort(), fixture.sentDocuments().slice(2)];
    expect([first, second]).toEqual([['b.pdf', 'copy.pdf'], ['b.pdf']]);
    // What the second run has sent is gone, what the first one kept is there.
    const left = [...fixture.server.files.values()].filter(({ object }) => object.purpose === 'user_data');
    expect(left.map(({ content }) => content.toString()).sort()).toEqual(['another document', 'one document']);
    fixture.server.files.clear();
    expect((await run('-o', 'third.csv')).code).toBe(0);
    expect(fixture.sentDocuments()).toHaveLength(5);
  });

  it('says what it could not delete', async () => {
    const { server } = fixture;
    server.refuseDeletes = true;
    const { code, stderr } = await run();
    expect(code).toBe(0);
    expect(stderr).toContain('3 uploads could not be deleted; the server deletes them 2 days after they came\n');
  });
});

describe('madakv batch run, of sheets as people have them', () => {
  it('reads semicolons and Windows-1252, says so, and finds names spelled otherwise', async () => {
    fixture.write('docs/Stra\u00dfe 5 \u20ac u\u0308.pdf', 'street');
    const text =
      'Custom_ID;FILE;Question\r\n1;Stra\u00dfe 5 \u20ac \u00fc.pdf;Wie hei\u00dft \u201edas\u201c?\r\n;;\r\n';
    fixture.write('docs/questions.csv', iconv.encode(text, 'windows-1252'));
    const { code, stderr } = await run('-o', 'out.jsonl');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^docs\/questions\.csv: read as Windows-1252, separated by semicolons\n/);
    expect(fixture.rows('out.jsonl')[0]).toMatchObject({ answer: 'answer to Wie hei\u00dft \u201edas\u201c?' });
  });

  it('takes --encoding at its word', async () => {
    fixture.write('asked.csv', iconv.encode('file,question\na.pdf,Сколько?\n', 'windows-1251'));
    expect((await run('--questions', 'asked.csv', '--encoding', 'windows-1251', '-o', 'out.jsonl')).code).toBe(0);
    expect(fixture.rows('out.jsonl')[0]).toMatchObject({ question: 'Сколько?' });
  });

  it.each([
    ['1-3,7?,9-', 'a.pdf', 'b.pdf', '1-3?,7?,9-?'],
    ['1-3', 'a.pdf', 'copy.pdf', '1-3'],
  ])('asks for pages %s of %s and %s as %s', async (pages, first, second, sent) => {
    fixture.write('docs/questions.csv', `file,question\n${first},A?\n${second},B?\n`);
    expect((await run('--pages', pages)).code).toBe(0);
    expect(asked()).toEqual([sent, sent]);
  });

  it('guards cells that begin like formulas, unless told not to', async () => {
    fixture.write('docs/questions.csv', 'file,question,=note\na.pdf,Total?,@x\nb.pdf,Change?,-3\n');
    fixture.server.answer = (question) => (question === 'Total?' ? '=HYPERLINK("x")' : '-12.50');
    const columns = (text: string): string[][] =>
      text
        .trim()
        .split('\n')
        .map((line) => line.split(',').slice(0, 4));
    await run('-o', 'out.csv');
    expect(columns(fixture.read('out.csv'))).toEqual([
      ['custom_id', 'file', 'question', "'=note"],
      ['row-2', 'a.pdf', 'Total?', "'@x"],
      ['row-3', 'b.pdf', 'Change?', '-3'],
    ]);
    expect(fixture.read('out.csv')).toContain(`,"'=HYPERLINK(""x"")",`);
    expect(fixture.read('out.csv')).toContain(',-3,-12.50,');
    await run('-o', 'raw.csv', '--raw-csv');
    expect(fixture.read('raw.csv')).toContain(',@x,"=HYPERLINK(""x"")",');
    await run('-o', 'out.jsonl');
    expect(fixture.rows('out.jsonl')[0]).toMatchObject({ '=note': '@x', answer: '=HYPERLINK("x")' });
  });

  it('shows warnings of answers', async () => {
    fixture.write('docs/questions.csv', 'file,question\na.pdf,Total?\n');
    fixture.server.warnings = [
      { code: 'font_missing', message: 'page 2: a font is not embedded', param: 'messages.0.content.0.file' },
      { code: 'image_left_out', message: 'page 3', param: 'messages.0.content.0.file' },
    ];
    await run('-o', 'out.csv');
    expect(fixture.read('out.csv')).toContain(
      ',font_missing: page 2: a font is not embedded; image_left_out: page 3,\n',
    );
    await run('-o', 'out.jsonl');
    expect(fixture.rows('out.jsonl')[0]['warnings']).toEqual(fixture.server.warnings);
    // Of another shape they are not shown, and the answer is there all the same.
    fixture.server.warnings = ['of another shape'] as never;
    expect((await run('-o', 'other.jsonl')).code).toBe(0);
    expect(fixture.rows('other.jsonl')[0]).toMatchObject({ answer: 'answer to Total?', warnings: [] });
  });
});
