import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeApiServer } from '../api/fake.api.server.js';
import { captureRun, type CapturedRun } from '../captured.run.js';

let server: FakeApiServer;
let folder: string;

beforeEach(async () => {
  server = new FakeApiServer();
  await server.start();
  folder = mkdtempSync(join(tmpdir(), 'madakv-batch-'));
  mkdirSync(join(folder, 'docs'));
  write('docs/a.pdf', 'one document');
  write('docs/b.pdf', 'another document');
  write('docs/copy.pdf', 'one document');
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, content: string): void {
  writeFileSync(join(folder, name), content);
}
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const madakv = (...args: string[]): Promise<CapturedRun> =>
  captureRun([...args, '--url', server.url, '--api-key', 'mk-1', '--data', join(folder, 'data')], { cwd: folder });

const line = (custom_id: string, body: object = {}): string =>
  JSON.stringify({
    custom_id,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'fake-reader', messages: [{ role: 'user', content: `q ${custom_id}` }], ...body },
  });

describe('madakv batch run, of a folder', () => {
  const sheet =
    'custom_id,file,question,answer,page\nq1,a.pdf,Total?,5,1\n,b.pdf,"Who, where?",Ann,2\nq3,copy.pdf,Date?,,3\n';

  it('asks every question and writes a table in the order of the sheet, other columns kept', async () => {
    write('docs/questions.csv', sheet);
    const { code, stdout, stderr } = await madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/^3 of 3 answered in .*, cache 20\.0 % kept: 5\.86 MiB of 29\.3 MiB: out\.csv\n$/);
    expect(read('out.csv')).toBe(
      'custom_id,file,question,input_answer,page,answer,cache_kept,prompt_tokens,bytes_full,bytes_kept,error\n' +
        'q1,a.pdf,Total?,5,1,answer to Total?,0.2,1000,10240000,2048000,\n' +
        'row-3,b.pdf,"Who, where?",Ann,2,"answer to Who, where?",0.2,1000,10240000,2048000,\n' +
        'q3,copy.pdf,Date?,,3,answer to Date?,0.2,1000,10240000,2048000,\n',
    );
    expect(existsSync(join(folder, 'out.csv.run.json'))).toBe(false);
  });

  it('uploads equal documents once, and asks about them by id with what the flags say', async () => {
    write('docs/questions.csv', sheet);
    await madakv(
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
    expect(existsSync(join(folder, 'docs.answers.csv'))).toBe(true);
    const documents = [...server.files.values()].filter(({ object }) => object.purpose === 'user_data');
    expect(documents.map(({ content }) => content.toString()).sort()).toEqual(['another document', 'one document']);
    const ids = server.asked.map((body) => /file-\d+/.exec(JSON.stringify(body))?.[0]);
    expect(new Set(ids).size).toBe(2);
    expect(server.asked[0]).toMatchObject({
      model: 'fake-reader',
      temperature: 0,
      max_completion_tokens: 9,
      madakv: { cache_ratio: 0.1, policy: 'snapkv', pages: '1-2' },
    });
  });

  it('writes failed lines into their place and ends with 1', async () => {
    write('docs/questions.csv', sheet);
    server.answer = (question) =>
      question === 'Total?' ? { status: 400, code: 'encrypted_pdf', message: 'needs a password' } : 'fine';
    const { code, stderr } = await madakv('batch', 'run', 'docs', '-o', 'out.jsonl');
    expect(code).toBe(1);
    expect(stderr).toContain('madakv: 1 of 3 lines failed; out.jsonl says why\n');
    const rows = read('out.jsonl')
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
    ['file,question\nz.pdf,Why?\n', 'no such document: z.pdf'],
    ['file,question\na.pdf,"Why?\n', 'Quote Not Closed'],
  ])('refuses the sheet %j before anything is sent', async (content, message) => {
    write('docs/questions.csv', content);
    const { code, stderr } = await madakv('batch', 'run', 'docs');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) as string });
    expect(server.calls).toEqual([]);
  });
});

describe('madakv batch run, interrupted', () => {
  /** Starts a run and stops it when its batch has been looked at. */
  async function interrupted(...args: string[]): Promise<CapturedRun> {
    const stop = new AbortController();
    const running = captureRun([...args, '--url', server.url], { cwd: folder, signal: stop.signal });
    await expect.poll(() => server.calls.at(-1)).toMatch(/GET \/v1\/batches\/batch_/);
    stop.abort(new Error('told to stop'));
    return running;
  }

  beforeEach(() => {
    write('docs/questions.csv', 'file,question\na.pdf,Total?\nb.pdf,Date?\n');
  });

  it('goes on with the same batch, without sending anything again', async () => {
    server.looksUntilDone = Infinity;
    const first = await interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(/the batch batch_\d+ goes on at the server; the same command waits for it again/);
    server.looksUntilDone = 1;
    server.calls.length = 0;
    const { code, stderr } = await madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^going on with the batch batch_\d+\n/);
    expect(server.calls.filter((call) => call.startsWith('POST'))).toEqual([]);
    expect(read('out.csv')).toContain('answer to Date?');
  });

  it('starts anew when something else is asked', async () => {
    server.looksUntilDone = Infinity;
    await interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    server.looksUntilDone = 1;
    const { code, stderr } = await madakv('batch', 'run', 'docs', '-o', 'out.csv', '--cache-ratio', '0.5');
    expect(code).toBe(0);
    expect(stderr).toMatch(/starting anew; the batch batch_\d+ goes on without it/);
    expect(server.batches.size).toBe(2);
  });

  it('finds the batch that was created by a run that did not hear of it', async () => {
    server.looksUntilDone = Infinity;
    await interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    const state = JSON.parse(read('out.csv.run.json')) as Record<string, unknown>;
    delete state['batchId'];
    write('out.csv.run.json', JSON.stringify(state));
    server.looksUntilDone = 1;
    expect((await madakv('batch', 'run', 'docs', '-o', 'out.csv')).code).toBe(0);
    expect(server.batches.size).toBe(1);
  });

  it('uploads again what the server has forgotten', async () => {
    server.looksUntilDone = Infinity;
    await interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    server.batches.clear();
    server.files.clear();
    server.looksUntilDone = 1;
    const { code } = await madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect(code).toBe(0);
    expect([...server.files.values()].filter(({ object }) => object.purpose === 'user_data')).toHaveLength(2);
  });
});

describe('madakv batch run, of JSONL', () => {
  it('sends the file as it is, and writes the results in its order', async () => {
    const input = `${line('b')}\n\n${line('a')}\n`;
    write('in.jsonl', input);
    expect((await madakv('batch', 'run', 'in.jsonl')).code).toBe(0);
    const sent = [...server.files.values()].find(({ object }) => object.purpose === 'batch');
    expect(sent?.content.toString()).toBe(input);
    const results = read('in.answers.jsonl')
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { custom_id: string });
    expect(results.map(({ custom_id }) => custom_id)).toEqual(['b', 'a']);
    expect(results[0]).toMatchObject({ response: { status_code: 200 }, error: null });
  });

  it('writes flags into every request, those that are no requests aside', async () => {
    write('in.jsonl', `${line('a', { max_tokens: 5, madakv: { pages: '1', cache_ratio: 0.9 } })}\nnot json\n`);
    server.refusedLines = [2];
    const { code } = await madakv(
      'batch',
      'run',
      'in.jsonl',
      '-o',
      'out.csv',
      '--cache-ratio',
      '0.3',
      '--max-tokens',
      '7',
    );
    expect(code).toBe(1);
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]).toMatchObject({ max_completion_tokens: 7, madakv: { pages: '1', cache_ratio: 0.3 } });
    expect(server.asked[0]).not.toHaveProperty('max_tokens');
    expect(read('out.csv')).toBe(
      'custom_id,answer,cache_kept,prompt_tokens,bytes_full,bytes_kept,error\n' +
        'a,answer to q a,0.2,1000,10240000,2048000,\n' +
        ',,,,,,invalid_json: not JSON\n',
    );
  });

  it('says why a batch was refused', async () => {
    write('in.jsonl', `${line('a')}\n`);
    server.refusal = 'more than one model';
    const { code, stderr } = await madakv('batch', 'run', 'in.jsonl');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^madakv: the batch batch_\d+ was refused: line 1: more than one model\n$/);
  });

  it('--detach prints the id, and the same command without it fetches the results', async () => {
    write('in.jsonl', `${line('a')}\n`);
    const { code, stdout } = await madakv('batch', 'run', 'in.jsonl', '--detach');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^batch_\d+\n$/) as string });
    server.batchSeconds = 120;
    const { stderr } = await madakv('batch', 'run', 'in.jsonl');
    expect(stderr).toContain(`going on with the batch ${stdout.trim()}`);
    // What the batch took, not what was left of it to see.
    expect(stderr).toContain('1 of 1 answered in 2 min 0 s (0.0/s)');
    expect(server.batches.size).toBe(1);
  });

  it.each([
    [['batch', 'run', 'none.jsonl'], 'none.jsonl: no such file or folder'],
    [['batch', 'run', 'empty.jsonl'], 'empty.jsonl: no lines'],
    [['batch', 'run', 'in.jsonl', '-o', 'out.txt'], 'out.txt: results are written as .csv or .jsonl'],
    [['batch', 'run', 'in.jsonl', '--questions', 'q.csv'], '--questions is for a folder of documents'],
    [['batch', 'run', 'docs'], 'no questions.csv in it'],
    [['batch', 'run', 'in.jsonl', '--detach', '--local'], 'with --local there is none'],
  ])('refuses %j', async (args, message) => {
    write('empty.jsonl', '\n');
    write('in.jsonl', `${line('a')}\n`);
    const { code, stderr } = await madakv(...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) as string });
  });
});

describe('madakv batch status, cancel, list', () => {
  it('shows, stops and lists batches', async () => {
    write('in.jsonl', `${line('a')}\n`);
    await madakv('batch', 'run', 'in.jsonl');
    const id = [...server.batches.keys()][0];
    const shown = await madakv('batch', 'status', id);
    expect(shown.stdout).toContain(`batch    ${id}\nstatus   completed\nlines    1: 1 answered, 0 failed, 0 left\n`);
    expect((await madakv('batch', 'list')).stdout).toMatch(
      new RegExp(`${id} +completed +1970-01-01 00:00:01 UTC +1 +0 +1`),
    );
    const cancelled = await madakv('batch', 'cancel', id, '--json');
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ id, status: 'cancelled' });
    expect(await madakv('batch', 'status', 'batch_x')).toMatchObject({
      code: 1,
      stderr: 'madakv: no batch batch_x (404 not_found)\n',
    });
  });
});
