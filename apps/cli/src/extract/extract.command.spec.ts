import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture } from '../batch/run.fixture.js';

const schema = {
  title: 'Invoice',
  type: 'object',
  properties: {
    number: { type: 'string' },
    due_date: { type: ['string', 'null'], format: 'date' },
    total: { type: ['number', 'null'], title: 'Total Amount' },
    seller: { type: 'object', properties: { name: { type: ['string', 'null'] } }, required: ['name'] },
    kind: { const: 'invoice' },
    tags: { type: 'array', items: { type: 'string' } },
    lines: {
      type: 'array',
      items: { type: 'object', properties: { item: { type: 'string' }, price: { type: 'number' } } },
    },
  },
  required: ['number', 'due_date', 'total', 'seller', 'tags', 'lines'],
};
const ANSWERS: Readonly<Record<string, string>> = {
  number: '=HT-4827',
  'due date': 'in a month',
  'total amount': '1.234,50 €',
  'seller name': 'Harbor Trading Ltd',
};

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
  fixture.write('schema.json', JSON.stringify(schema));
  fixture.server.answer = (question) => {
    if (question.startsWith('List every tags')) return 'new\npaid';
    if (question.startsWith('List the rows')) return 'Desk lamp | 34.50\nOffice chair | 129.00';
    return ANSWERS[/^What is the (.*)\? Answer/.exec(question)?.[1] ?? ''] ?? 'not stated';
  };
});
afterEach(() => fixture.stop());

const extract = (...args: string[]) => fixture.madakv('extract', 'docs', '--schema', 'schema.json', ...args);

describe('madakv extract', () => {
  it('makes a table, a row a document, and cleans up behind it', async () => {
    const { code, stdout, stderr } = await extract('-o', 'out.csv');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const problem = '"due_date: is not a date: ""in a month"""';
    const row = (file: string): string =>
      `${file},'=HT-4827,,1234.5,Harbor Trading Ltd,invoice,new; paid,` +
      '"[{""item"":""Desk lamp"",""price"":34.5},{""item"":""Office chair"",""price"":129}]",' +
      `${problem},0.2,1000,10240000,2048000,,`;
    expect(fixture.read('out.csv').trim().split('\n')).toEqual([
      'file,number,due_date,total,seller.name,kind,tags,lines,problems,cache_kept,prompt_tokens,bytes_full,bytes_kept,warnings,error',
      row('a.pdf'),
      row('b.pdf'),
      row('copy.pdf'),
    ]);
    expect(stderr).toContain('3 of 3 answered in ');
    expect(stderr).toContain(': out.csv\n');
    expect(stderr).toContain('3 of 18 fields do not fit the schema; problems says why\n');
    // Two of them are the same.
    expect(fixture.sentDocuments()).toHaveLength(2);
    expect(fixture.server.files.size).toBe(1);
    expect(fixture.has('out.csv.run.json')).toBe(false);
  });

  it('asks once a document, with the schema', async () => {
    await extract('-o', 'out.csv', '--cache-ratio', '0.1', '--max-tokens', '50', '--pages', '1-2');
    expect(fixture.server.batches.size).toBe(1);
    expect(fixture.server.asked).toHaveLength(3);
    expect(fixture.server.asked[0]).toEqual({
      model: 'fake-reader',
      messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: expect.any(String) as string } }] }],
      temperature: 0,
      max_completion_tokens: 50,
      response_format: { type: 'json_schema', json_schema: { name: 'schema', schema } },
      madakv: { cache_ratio: 0.1, pages: '1-2?', extract: true },
    });
  });

  it('writes objects as they are, and every field with its answer', async () => {
    expect((await extract('-o', 'out.jsonl', '--details', 'fields.jsonl')).code).toBe(0);
    const [row] = fixture.rows('out.jsonl');
    expect(row).toEqual({
      file: 'a.pdf',
      values: {
        number: '=HT-4827',
        due_date: null,
        total: 1234.5,
        seller: { name: 'Harbor Trading Ltd' },
        kind: 'invoice',
        tags: ['new', 'paid'],
        lines: [
          { item: 'Desk lamp', price: 34.5 },
          { item: 'Office chair', price: 129 },
        ],
      },
      problems: [{ name: 'due_date', answer: 'in a month', message: 'is not a date' }],
      cache_kept: 0.2,
      prompt_tokens: 1000,
      bytes_full: 10_240_000,
      bytes_kept: 2_048_000,
      warnings: [],
      error: '',
    });
    expect(fixture.rows('fields.jsonl')).toHaveLength(18);
    expect(fixture.rows('fields.jsonl')[2]).toEqual({
      file: 'a.pdf',
      name: 'total',
      answer: '1.234,50 €',
      value: 1234.5,
      problems: [],
      finish_reason: 'stop',
      completion_tokens: 3,
      bytes: { full: 1_000_000, kept: 200_000 },
      trace_id: 'request.3',
    });
  });

  it('writes the fields as a sheet too', async () => {
    await extract('-o', 'out.csv', '--details', 'fields.csv');
    expect(fixture.read('fields.csv').split('\n').slice(0, 4)).toEqual([
      'file,field,answer,value,problems,cache_kept,bytes_full,bytes_kept,completion_tokens,finish_reason,trace_id',
      "a.pdf,number,'=HT-4827,'=HT-4827,,0.2,1000000,200000,3,stop,request.1",
      'a.pdf,due_date,in a month,,"due_date: is not a date: ""in a month""",0.2,1000000,200000,3,stop,request.2',
      'a.pdf,total,"1.234,50 €",1234.5,,0.2,1000000,200000,3,stop,request.3',
    ]);
  });

  it('leaves cells as they are where it is told to', async () => {
    await extract('-o', 'out.csv', '--raw-csv');
    expect(fixture.read('out.csv')).toContain('\na.pdf,=HT-4827,');
  });

  it('reads one document', async () => {
    const { code, stderr } = await fixture.madakv('extract', 'docs/a.pdf', '--schema', 'schema.json');
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(': a.extracted.csv\n') as string,
    });
    expect(fixture.read('a.extracted.csv').trim().split('\n')).toHaveLength(2);
  });

  it('reads the folders within a folder, and says what it passes over', async () => {
    fixture.write('docs/2024/c.pdf', 'c');
    fixture.write('docs/scan', '%PDF-1.7');
    fixture.write('docs/.hidden/d.pdf', 'd');
    fixture.write('docs/__MACOSX/e.pdf', 'e');
    fixture.write('docs/Thumbs.db', 'x');
    for (const name of ['notes.txt', 'old.csv', 'a.docx', 'z.zip']) fixture.write(`docs/${name}`, 'x');
    const { code, stderr } = await extract('-o', 'docs/out.jsonl');
    expect(code).toBe(0);
    expect(stderr).toContain('docs: passed over what is no document: a.docx, notes.txt, old.csv and 1 more\n');
    expect(fixture.rows('docs/out.jsonl').map(({ file }) => file)).toEqual([
      '2024/c.pdf',
      'a.pdf',
      'b.pdf',
      'copy.pdf',
      'scan',
    ]);
  });

  it('reads several documents and folders, called as they are named', async () => {
    fixture.write('more/d.pdf', 'd');
    const { code } = await fixture.madakv('extract', 'docs/a.pdf', 'more/', '--schema', 'schema.json');
    expect(code).toBe(0);
    expect(fixture.read('extracted.csv')).toMatch(/\ndocs\/a\.pdf,.*\nmore\/d\.pdf,/);
  });

  it('has a row with its error for a document that fails, and reads all others', async () => {
    fixture.write('docs/empty.pdf', '');
    fixture.write('docs/page.pdf', '<html>');
    fixture.server.refuseUpload = (content) =>
      content.startsWith('<html') ? 'the content is not recognised' : undefined;
    const { code, stderr } = await extract('-o', 'out.jsonl');
    expect(code).toBe(1);
    expect(fixture.rows('out.jsonl').map(({ file, values, error }) => [file, values === null, error])).toEqual([
      ['a.pdf', false, ''],
      ['b.pdf', false, ''],
      ['copy.pdf', false, ''],
      ['empty.pdf', true, 'invalid_document: empty.pdf: the file is empty'],
      ['page.pdf', true, 'invalid_document: page.pdf: the content is not recognised'],
    ]);
    expect(stderr).toContain('\n  empty.pdf: invalid_document: empty.pdf: the file is empty\n');
    expect(stderr).toContain('madakv: 2 of 5 documents failed; out.jsonl says why\n');
  });

  it('says of a server that answers otherwise that it does not know how', async () => {
    fixture.server.extracts = false;
    const { code } = await extract('-o', 'out.jsonl');
    expect(code).toBe(1);
    expect(fixture.rows('out.jsonl')[0]).toMatchObject({
      values: null,
      error: 'no_object: the answer has no fields; the server does not know madakv.extract',
    });
  });

  it('keeps the names of fields that the table has itself', async () => {
    fixture.write(
      'schema.json',
      JSON.stringify({ type: 'object', properties: { file: { type: 'string' }, Error: { type: 'string' } } }),
    );
    await extract('-o', 'out.csv');
    expect(fixture.read('out.csv').split('\n')[0]).toBe(
      'madakv_file,file,Error,problems,cache_kept,prompt_tokens,bytes_full,bytes_kept,warnings,madakv_error',
    );
  });

  it('goes on where it was interrupted, with the same schema', async () => {
    const args = ['extract', 'docs', '--schema', 'schema.json', '-o', 'out.csv'];
    const { code, stderr } = await fixture.interrupted(...args);
    expect({ code: code !== 0, has: fixture.has('out.csv.run.json') }).toEqual({ code: true, has: true });
    expect(stderr).toContain('the same command waits for it again');
    expect((await fixture.madakv(...args)).stderr).toContain('going on with the batch ');
    expect(fixture.server.batches.size).toBe(1);
    expect(fixture.read('out.csv').trim().split('\n')).toHaveLength(4);
  });

  it('starts anew with another schema', async () => {
    const args = ['extract', 'docs', '--schema', 'schema.json', '-o', 'out.csv'];
    await fixture.interrupted(...args);
    fixture.write('schema.json', JSON.stringify({ type: 'object', properties: { number: { type: 'string' } } }));
    expect((await fixture.madakv(...args)).stderr).toContain('starting anew');
    expect(fixture.server.batches.size).toBe(2);
  });

  it('leaves the work to the server where it is told to', async () => {
    const { code, stdout } = await extract('-o', 'out.csv', '--detach');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^batch_\d+\n$/) as string });
    expect((await extract('-o', 'out.csv')).code).toBe(0);
    expect(fixture.server.batches.size).toBe(1);
  });
});

describe('madakv extract, refused', () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await fixture.madakv('extract', ...args);
    expect({ code, stdout, calls: fixture.server.calls }).toEqual({ code: 2, stdout: '', calls: [] });
    expect(stderr).toMatch(/^madakv: [^\n]+\n$/);
    return stderr;
  };

  it('says what of the schema cannot be honoured, before anything is sent', async () => {
    const of = async (content: string): Promise<string> => {
      fixture.write('bad.json', content);
      return refused('docs', '--schema', 'bad.json');
    };
    expect(await of('{"type": "object", "properties": {"a": {"oneOf": []}}}')).toContain(
      'bad.json: properties.a.oneOf: is not supported',
    );
    expect(await of('{"type": "object", "properties": {"a": {"type": ["string", "number"]}}}')).toContain(
      'bad.json: properties.a.type: allows string, number; a field has one type',
    );
    expect(await of('{"type": "array"}')).toContain('bad.json: type: expected object');
    expect(await of('[]')).toContain('bad.json: expected a JSON schema, an object');
    expect(await of('{"type": }')).toContain('bad.json: not JSON: line 1, column 10');
    expect(await refused('docs', '--schema', 'none.json')).toContain('none.json: no such file');
    expect(await refused('docs')).toContain("required option '--schema <file>' not specified");
  });

  it('takes the schema as it stands in a request too', async () => {
    fixture.write('wrapped.json', JSON.stringify({ name: 'invoice', strict: true, schema }));
    const { code } = await fixture.madakv('extract', 'docs', '--schema', 'wrapped.json', '-o', 'out.csv');
    expect(code).toBe(0);
  });

  it.each([
    [['none'], 'none: no such file or folder'],
    [['schema.json'], 'schema.json: is no document; expected a PDF, an image, or a folder of them'],
    [['empty'], 'empty: no documents in it: PDFs or images'],
    [['docs', '-o', 'out.xlsx'], 'out.xlsx: tables are written as .csv or .jsonl'],
    [['docs', '-o', 'out.csv', '--details', 'out.csv'], 'out.csv: results would be written over what is asked'],
    [['docs', '--details', 'fields'], 'fields: tables are written as .csv or .jsonl'],
    [['docs', '--detach', '--local'], '--detach leaves the extraction to a server that goes on'],
  ])('%j', async (args, message) => {
    fixture.write('empty/notes.txt', 'x');
    expect(await refused(...args, '--schema', 'schema.json')).toContain(message);
  });
});
