import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture, requestLine } from './run.fixture.js';

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
});
afterEach(() => fixture.stop());

describe('madakv batch run, of JSONL', () => {
  it('sends the file as it is, and writes the results in its order', async () => {
    const input = `${requestLine('b')}\n\n${requestLine('a')}\n`;
    fixture.write('in.jsonl', input);
    expect((await fixture.madakv('batch', 'run', 'in.jsonl', '--keep-files')).code).toBe(0);
    const sent = [...fixture.server.files.values()].find(({ object }) => object.purpose === 'batch');
    expect(sent?.content.toString()).toBe(input);
    const results = fixture
      .read('in.answers.jsonl')
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { custom_id: string });
    expect(results.map(({ custom_id }) => custom_id)).toEqual(['b', 'a']);
    expect(results[0]).toMatchObject({ response: { status_code: 200 }, error: null });
  });

  it('passes over a byte order mark, and reads lines that end as on Windows', async () => {
    fixture.write('in.jsonl', `\ufeff${requestLine('a')}\r\n${requestLine('b')}\r\n`);
    expect((await fixture.madakv('batch', 'run', 'in.jsonl')).code).toBe(0);
    expect(fixture.rows('in.answers.jsonl')).toMatchObject([
      { custom_id: 'a', response: { status_code: 200 } },
      { custom_id: 'b', response: { status_code: 200 } },
    ]);
  });

  it.each([[[]], [['--max-tokens', '7']]])(
    'leaves bytes that are not UTF-8 to be refused by the server, by their line, with %j',
    async (flags) => {
      const bad = Buffer.from(requestLine('Stra\u00dfe'), 'latin1');
      const input = Buffer.concat([
        Buffer.from(`${requestLine('\u00fc')}\n`),
        bad,
        Buffer.from(`\n${requestLine('c')}\n`),
      ]);
      fixture.write('in.jsonl', input);
      const { code, stderr } = await fixture.madakv(
        'batch',
        'run',
        'in.jsonl',
        '-o',
        'out.csv',
        '--keep-files',
        ...flags,
      );
      expect(code).toBe(1);
      expect(stderr).toContain('  line 2: invalid_json: line 2: the line is not UTF-8\n');
      expect(fixture.read('out.csv').split('\n')[2]).toBe(',,,,,,,invalid_json: line 2: the line is not UTF-8');
      const [sent] = [...fixture.server.files.values()].filter(({ object }) => object.purpose === 'batch');
      expect(sent.content.includes(bad)).toBe(true);
      expect(JSON.stringify(fixture.server.asked)).not.toContain('\ufffd');
      expect(fixture.server.asked).toHaveLength(2);
    },
  );

  it.each([
    ['1-3', 1, '1-3'],
    ['1-3', 2, '1-3?'],
  ])('asks for pages %s of %i requests as %s', async (pages, count, sent) => {
    fixture.write(
      'in.jsonl',
      ['a', 'b']
        .slice(0, count)
        .map((id) => `${requestLine(id)}\n`)
        .join(''),
    );
    await fixture.madakv('batch', 'run', 'in.jsonl', '--pages', pages);
    expect(fixture.server.asked[0]).toMatchObject({ madakv: { pages: sent } });
  });

  it('writes flags into every request, those that are no requests aside', async () => {
    fixture.write(
      'in.jsonl',
      `${requestLine('a', { max_tokens: 5, madakv: { pages: '1', cache_ratio: 0.9 } })}\nnot json\n`,
    );
    fixture.server.refusedLines = [2];
    const { code } = await fixture.madakv(
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
    expect(fixture.server.asked).toHaveLength(1);
    expect(fixture.server.asked[0]).toMatchObject({
      max_completion_tokens: 7,
      madakv: { pages: '1', cache_ratio: 0.3 },
    });
    expect(fixture.server.asked[0]).not.toHaveProperty('max_tokens');
    expect(fixture.read('out.csv')).toBe(
      'custom_id,answer,cache_kept,prompt_tokens,bytes_full,bytes_kept,warnings,error\n' +
        'a,answer to q a,0.2,1000,10240000,2048000,,\n' +
        ',,,,,,,invalid_json: line 2: not JSON\n',
    );
  });

  it('says why a batch was refused', async () => {
    fixture.write('in.jsonl', `${requestLine('a')}\n`);
    fixture.server.refusal = 'more than one model';
    const { code, stderr } = await fixture.madakv('batch', 'run', 'in.jsonl');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^madakv: the batch batch_\d+ was refused: line 1: more than one model\n$/);
  });

  it('--detach prints the id, and the same command without it fetches the results', async () => {
    fixture.write('in.jsonl', `${requestLine('a')}\n`);
    const { code, stdout } = await fixture.madakv('batch', 'run', 'in.jsonl', '--detach');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^batch_\d+\n$/) as string });
    fixture.server.batchSeconds = 120;
    const { stderr } = await fixture.madakv('batch', 'run', 'in.jsonl');
    expect(stderr).toContain(`going on with the batch ${stdout.trim()}`);
    // What the batch took, not what was left of it to see.
    expect(stderr).toContain('1 of 1 answered in 2 min 0 s (0.0/s)');
    expect(fixture.server.batches.size).toBe(1);
  });

  it.each([
    [['batch', 'run', 'none.jsonl'], 'none.jsonl: no such file or folder'],
    [['batch', 'run', 'empty.jsonl'], 'empty.jsonl: no lines'],
    [['batch', 'run', 'in.jsonl', '-o', 'out.txt'], 'out.txt: results are written as .csv or .jsonl'],
    [['batch', 'run', 'in.jsonl', '--questions', 'q.csv'], '--questions is for a folder of documents'],
    [['batch', 'run', 'docs'], 'no questions.csv in it'],
    [['batch', 'run', 'in.jsonl', '--detach', '--local'], 'with --local there is none'],
  ])('refuses %j', async (args, message) => {
    fixture.write('empty.jsonl', '\n');
    fixture.write('in.jsonl', `${requestLine('a')}\n`);
    const { code, stderr } = await fixture.madakv(...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) as string });
  });
});
