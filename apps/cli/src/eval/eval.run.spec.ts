import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EvalReport, ResultRecord, RunRecord } from '@madakv/evaluation';
import { policies } from '@madakv/madakv';
import { captureRun, type CapturedRun } from '../captured.run.js';

const FIXTURES = fileURLToPath(new URL('../../../../test/conformance/fixtures', import.meta.url));
const MODEL = join(FIXTURES, 'qwen-plain', 'checkpoint');

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-eval-'));
  const line = (id: string, image: string, question: string, answer: string): string =>
    JSON.stringify({
      id,
      answer,
      body: {
        max_tokens: 4,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image_url', image_url: { url: join(FIXTURES, 'images', image) } },
              { type: 'text', text: question },
            ],
          },
        ],
      },
    });
  writeFileSync(
    join(work, 'fields.jsonl'),
    [
      line('f-0', 'exact.png', 'Date?', '1'),
      line('f-1', 'exact.png', 'Due?', '2'),
      line('f-2', 'wide.png', 'Sum?', '3'),
    ].join('\n'),
  );
  writeFileSync(
    join(work, 'absent.jsonl'),
    [line('a-0', 'wide.png', 'Tax?', 'not stated'), line('a-1', 'wide.png', 'Name?', 'x')].join('\n'),
  );
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

const engine = (): string[] => ['--model', MODEL, '--cache-dir', join(work, 'cache'), '--threads', '1'];

function evaluate(args: readonly string[], signal?: AbortSignal): Promise<CapturedRun> {
  const command = ['eval', '--suite', 'reader', '--data', '.', ...engine(), ...args];
  return captureRun(command, { cwd: work, ...(signal === undefined ? {} : { signal }) });
}

const read = (...path: string[]): unknown => JSON.parse(readFileSync(join(work, ...path), 'utf8'));

function resultsOf(out: string): ResultRecord[] {
  const text = readFileSync(join(work, out, 'results.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ResultRecord);
}

/** What an answer was, without how long it took. */
const timeless = (results: readonly ResultRecord[]): object[] => results.map((result) => ({ ...result, ms: 0 }));

const SMALL = ['--policies', 'full,madakv,snapkv', '--ratios', '0.3,1'];

describe('madakv eval', () => {
  it('answers every question in every cell and reports on the answers', async () => {
    const { code, stdout, stderr } = await evaluate([...SMALL, '--out', 'run', '--seed', '3']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: '5 questions of 2 sets, 5 answers each, 0 there already; results go to run\n',
    });
    expect(stdout).toMatch(
      /^Right answers in per cent, mean over sets, 5 of 5 questions:\nkept +30 % +100 %\nfull +- +\d/,
    );
    const results = resultsOf('run');
    expect(results).toHaveLength(25);
    expect(results[0]).toMatchObject({ set: 'absent', id: 'a-0', policy: 'full', ratio: 1, expected: 'not stated' });
    for (const { ratio, keptBytes, fullBytes, rows } of results) {
      expect(keptBytes).toBeLessThanOrEqual(ratio * fullBytes);
      expect(rows).toHaveLength(2);
    }
    const report = read('run', 'report.json') as EvalReport;
    expect(report.questions).toMatchObject({ planned: 5, complete: 5, documents: 2, bySet: { fields: 3, absent: 1 } });
    expect(report.cells.map(({ variant, ratio }) => `${variant} ${ratio}`)).toEqual([
      'full 1',
      'madakv 0.3',
      'madakv 1',
      'snapkv 0.3',
      'snapkv 1',
    ]);
    expect(report.run.about.command).toMatch(/^madakv eval .*--policies full,madakv,snapkv .*--seed 3$/);
    expect(report.run.settings).toMatchObject({ seed: 3, split: 'all', protocol: 'replay', prefill: 'shared' });
    const markdown = readFileSync(join(work, 'run', 'report.md'), 'utf8');
    for (const [, file] of markdown.matchAll(/\]\(([\w-]+\.svg)\)/g))
      expect(existsSync(join(work, 'run', file))).toBe(true);
  });

  it('shows each set its own images, though they have the same names', async () => {
    for (const [set, image] of [
      ['Small', 'exact.png'],
      ['Wide', 'wide.png'],
    ]) {
      const folder = join(work, 'mile', set);
      mkdirSync(join(folder, 'images'), { recursive: true });
      cpSync(join(FIXTURES, 'images', image), join(folder, 'images', '1.png'));
      const instance = { context: 'What is this? {image#1}', images_path: ['1.png'] };
      const data = [{ sample_id: 1, task_instruction_id: 0, response: 'x', task_instance: instance }];
      const meta = { question_type: 'open-ended', task_instruction: [''] };
      writeFileSync(join(folder, `${set}.json`), JSON.stringify({ meta_data: meta, data }));
    }
    const command = ['eval', '--suite', 'milebench', '--data', 'mile', ...engine(), '--policies', 'full', '--out'];
    for (const [out, ...sets] of [['both'], ['small', '--sets', 'Small'], ['wide', '--sets', 'Wide']]) {
      expect(await captureRun([...command, out, '--max-tokens', '1', ...sets], { cwd: work })).toMatchObject({
        code: 0,
      });
    }
    const tokens = (out: string) => resultsOf(out).map(({ promptTokens }) => promptTokens);
    expect(tokens('both')).toEqual([...tokens('small'), ...tokens('wide')]);
    expect(new Set(tokens('both')).size).toBe(2);
  });

  it('reports on a part of a run, and leaves its folder as it is', async () => {
    const own = readFileSync(join(work, 'run', 'report.md'), 'utf8');
    const part = (...flags: string[]) => captureRun(['eval', 'report', 'run', ...flags], { cwd: work });
    const { code, stdout } = await part('--policies', 'full,snapkv', '--ratios', '0.3', '--to', 'part.md');
    expect(code).toBe(0);
    expect(stdout).toContain('snapkv');
    const markdown = readFileSync(join(work, 'part.md'), 'utf8');
    const rows = (text: string) => text.match(/^\| (full|madakv|snapkv) .*$/gm) ?? [];
    expect(rows(markdown).length).toBeGreaterThan(1);
    expect(rows(markdown).filter((row) => row.startsWith('| madakv'))).toEqual([]);
    expect(markdown).toMatch(/^\| kept +\| 30 % +\| 100 % +\|$/m);
    // Without flags it is the whole again.
    expect((await part()).stdout.startsWith((await part('--ratios', '0.3,1')).stdout)).toBe(true);
    expect(readFileSync(join(work, 'run', 'report.md'), 'utf8')).toBe(own);
    expect(await part('--policies', 'full,h2o')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no policy h2o in this run; it has full, madakv, snapkv') as string,
    });
    expect((await part('--ratios', '0.5')).stderr).toContain('no ratio 0.5 in this run; it has 0.3, 1');
  });

  it('gives the same answers, bytes and selections when every answer has its own prefill', async () => {
    const all = ['--policies', Object.keys(policies).join(','), '--ratios', '0.3,0.6,1', '--sets', 'fields'];
    for (const protocol of ['replay', 'plain']) {
      const args = [...all, '--protocol', protocol, '--limit', '2', '--no-resume'];
      expect((await evaluate([...args, '--out', 'shared'])).code).toBe(0);
      expect((await evaluate([...args, '--out', 'separate', '--prefill', 'separate'])).code).toBe(0);
      expect(timeless(resultsOf('shared'))).toEqual(timeless(resultsOf('separate')));
    }
  });

  it('goes on where it was killed, even within a line', async () => {
    const results = join(work, 'killed', 'results.jsonl');
    cpSync(join(work, 'run'), join(work, 'killed'), { recursive: true });
    const lines = readFileSync(results, 'utf8').split('\n');
    truncateSync(results, Buffer.byteLength(`${lines.slice(0, 12).join('\n')}\n`) + 20);
    const { code, stderr } = await evaluate([...SMALL, '--out', 'killed', '--seed', '3']);
    expect(code).toBe(0);
    expect(stderr).toContain('12 there already');
    expect(timeless(resultsOf('killed'))).toEqual(timeless(resultsOf('run')));
    const report = await captureRun(['eval', 'report', 'killed', '--to', 'docs/accuracy.md'], { cwd: work });
    expect(report.stdout).toContain('5 of 5 questions');
    expect(existsSync(join(work, 'docs', 'accuracy', 'accuracy-by-ratio.svg'))).toBe(true);
  });

  it('keeps what it has when it is interrupted', async () => {
    const controller = new AbortController();
    const stopped = evaluate([...SMALL, '--out', 'stopped', '--prefill', 'separate'], controller.signal);
    const file = join(work, 'stopped', 'results.jsonl');
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort(new Error('enough'));
    expect(await stopped).toMatchObject({ code: 1, stderr: expect.stringContaining('madakv: enough') as string });
    const before = resultsOf('stopped').length;
    expect(before).toBeLessThan(25);
    const resumed = await evaluate([...SMALL, '--out', 'stopped', '--prefill', 'separate']);
    expect(resumed.stderr).toContain(`${before} there already`);
    expect(timeless(resultsOf('stopped'))).toEqual(timeless(resultsOf('run')));
  });

  it('says which settings differ from those a folder was begun with', async () => {
    const { code, stderr } = await evaluate([...SMALL, '--out', 'run', '--seed', '4', '--protocol', 'plain']);
    expect(code).toBe(2);
    expect(stderr).toBe(
      'madakv: --out run has a run with other settings: protocol was "replay", is "plain"; seed was 3, is 4. ' +
        'Give another --out, or --no-resume to begin again and lose its results\n',
    );
    expect(resultsOf('run')).toHaveLength(25);
  });

  it('runs the halves apart and says which', async () => {
    const seen: string[] = [];
    for (const split of ['tune', 'report']) {
      const { code, stderr } = await evaluate(['--policies', 'full', '--split', split, '--out', split]);
      if (code === 2) expect(stderr).toContain(`there are no questions in the half --split ${split}`);
      else {
        seen.push(...resultsOf(split).map(({ id }) => id));
        expect(readFileSync(join(work, split, 'report.md'), 'utf8')).toContain(
          `Only documents of the half \`${split}\``,
        );
      }
    }
    expect(seen.sort()).toEqual(['a-0', 'a-1', 'f-0', 'f-1', 'f-2']);
  });

  it('counts what a policy refuses as wrong, and says so', async () => {
    const { code } = await evaluate([
      '--policies',
      'full,madakv',
      '--ratios',
      '0.01',
      '--sets',
      'fields',
      '--out',
      'low',
    ]);
    expect(code).toBe(0);
    expect(resultsOf('low').filter(({ finish }) => finish === 'refused')).toHaveLength(3);
    expect(readFileSync(join(work, 'low', 'report.md'), 'utf8')).toContain('3 questions were refused');
  });

  it('takes variants, scorers and limits, and keeps them in run.json', async () => {
    const flags = ['--policies', 'full', '--variant', 'wide=madakv pooling.cols=21', '--scorer', 'fields=contains'];
    const { code } = await evaluate([
      ...flags,
      '--ratios',
      '0.3',
      '--limit',
      '1',
      '--max-tokens',
      '2',
      '--out',
      'more',
    ]);
    expect(code).toBe(0);
    expect((read('more', 'run.json') as RunRecord).settings).toMatchObject({
      limit: 1,
      maxTokens: 2,
      sets: { fields: { questions: 1, scorer: 'contains' }, absent: { questions: 1, scorer: 'absent' } },
      variants: [
        { name: 'full' },
        { name: 'wide', policy: 'madakv', options: { pooling: { cols: 21 } }, ratios: [0.3] },
      ],
    });
  });

  it.each([
    [['--sets', 'cells'], '--sets: there is no set "cells"; there are absent, fields'],
    [['--scorer', 'cells=exact'], '--scorer cells: there is no such set in this run'],
    [['--scorer', 'fields=best'], 'It must be written set=scorer'],
    [['--policies', 'best'], 'unknown eviction policy "best"'],
    [['--ratios', '0'], 'Each must be a number above 0 and at most 1.'],
    [['--data', 'none.jsonl'], 'none.jsonl: no such file'],
    [['--split', 'test'], 'Allowed choices are all, tune, report.'],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await evaluate(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('says which question is too long for the model', async () => {
    const { code, stderr } = await evaluate(['--policies', 'full', '--max-tokens', '1000000', '--out', 'long']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/absent\.jsonl:1: question a-0 of absent needs \d+ positions, and the model has \d+;/);
  });

  it('says what is wrong with the data', async () => {
    const bad = join(work, 'bad');
    cpSync(join(work, 'fields.jsonl'), join(bad, 'a.jsonl'));
    const first = readFileSync(join(bad, 'a.jsonl'), 'utf8').split('\n')[0];
    appendFileSync(join(bad, 'a.jsonl'), `\n${first}`);
    expect((await evaluate(['--data', 'bad'])).stderr).toBe(
      'madakv: bad/a.jsonl:4: the id f-0 of set a is at bad/a.jsonl:1 already\n',
    );
    writeFileSync(join(bad, 'a.jsonl'), '{"id":"1","body":{}}');
    expect((await evaluate(['--data', 'bad'])).stderr).toMatch(/^madakv: bad\/a\.jsonl:1: answer: expected string/);
    expect((await captureRun(['eval', 'report', 'bad'], { cwd: work })).stderr).toContain(
      'it is not the folder of a run',
    );
  });
});

describe('madakv eval explain', () => {
  it('says what each head kept, and draws it over the page', async () => {
    const args = ['eval', 'explain', '--data', '.', '--id', 'f-2', '--ratio', '0.3', '--out', 'why', ...engine()];
    const { code, stdout, stderr } = await captureRun(args, { cwd: work });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^expected +"3"\nfull cache +".*"\nmadakv +".*", at 30 % of \d+ tokens/);
    expect(stdout).toMatch(
      /layer +head +to text +text kept +visual kept +evidence kept\n +0 +0 +\d+ % +\d+ +\d+ +\d+ %/,
    );
    expect(stdout).toMatch(/page 0, row \d+, column \d+/);
    for (const file of ['page-0.png', 'page-0-layer-01.png', 'explain.json']) {
      expect(existsSync(join(work, 'why', file))).toBe(true);
    }
  });

  it('finds that a full cache keeps all evidence', async () => {
    const args = ['--policy', 'full', '--ratio', '1', '--json', '--out', 'all', ...engine()];
    const { stdout } = await captureRun(['eval', 'explain', '--data', '.', '--id', 'f-0', ...args], { cwd: work });
    const { heads } = JSON.parse(stdout) as { heads: { evidenceKept: number }[] };
    for (const { evidenceKept } of heads) expect(evidenceKept).toBe(1);
  });

  it('names a question there is', async () => {
    const { code, stderr } = await captureRun(['eval', 'explain', '--data', '.', '--id', 'z', ...engine()], {
      cwd: work,
    });
    expect({ code, stderr }).toEqual({ code: 2, stderr: 'madakv: .: has no question z; the first is a-0\n' });
  });
});
