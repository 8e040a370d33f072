import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalSystem } from '@madakv/launcher';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MADAKV = join(ROOT, 'apps', 'cli', 'bin', 'madakv.js');
const MODEL = join(ROOT, 'test', 'conformance', 'fixtures', 'qwen-plain', 'checkpoint');
const RECEIPT = join(ROOT, 'examples', 'demo', 'receipt.pdf');
const REPORT = join(ROOT, 'examples', 'demo', 'report.pdf');

let work: string;
let system: LocalSystem;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'madakv-cli-batch-'));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const apps = ['budget', 'cli', 'gateway', 'worker'].map((app) => join(ROOT, 'apps', app));
  expect(spawnSync(process.execPath, [tsc, '-b', ...apps], { encoding: 'utf8' }).stdout).toBe('');
  system = await LocalSystem.start({
    dataFolder: join(work, 'data'),
    model: MODEL,
    environment: { MADAKV_CACHE: join(work, 'cache'), MADAKV_THREADS: '1' },
  });
}, 300_000);
afterAll(async () => {
  await system.stop();
  rmSync(work, { recursive: true, force: true });
}, 120_000);

async function madakv(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MADAKV, ...args, '--data', join(work, 'data')], { cwd: work });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (piece) => (stdout += String(piece)));
  child.stderr.on('data', (piece) => (stderr += String(piece)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

interface Row {
  readonly file: string;
  readonly answer: string;
  readonly error: string;
  readonly prompt_tokens: number | null;
}

function rows(name: string): Row[] {
  const lines = readFileSync(join(work, name), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Row);
}

/** What the server keeps, by purpose. */
async function kept(): Promise<string[]> {
  const { stdout } = await madakv('files', 'list', '--json');
  const files = stdout.trim() === '' ? [] : stdout.trim().split('\n');
  return files.map((line) => (JSON.parse(line) as { purpose: string }).purpose);
}

describe('madakv batch run, at a real server', { timeout: 240_000 }, () => {
  it('answers what can be asked of a folder as people have it, and leaves only the results', async () => {
    mkdirSync(join(work, 'docs'));
    copyFileSync(RECEIPT, join(work, 'docs', 'caf\u00e9.pdf'));
    copyFileSync(REPORT, join(work, 'docs', 'report.pdf'));
    writeFileSync(join(work, 'docs', 'empty.pdf'), '');
    writeFileSync(join(work, 'docs', 'page.html'), '<!doctype html><html><body>Not found</body></html>');
    writeFileSync(join(work, 'docs', '._report.pdf'), Buffer.from('0005160700020000', 'hex'));
    const sheet =
      'File;Question\r\ncafe\u0301.pdf;Total?\r\nempty.pdf;Total?\r\n;;\r\npage.html;Total?\r\n._report.pdf;Total?\r\n' +
      'none.pdf;Total?\r\nreport.pdf;Who?\r\n';
    writeFileSync(join(work, 'docs', 'questions.csv'), `\ufeff${sheet}`, 'utf16le');
    const { code, stderr } = await madakv(
      ...['batch', 'run', 'docs', '-o', 'new/out.jsonl', '--pages', '1-2', '--max-tokens', '4'],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('read as UTF-16LE, separated by semicolons\n');
    expect(stderr).toContain('madakv: 3 of 5 lines failed; new/out.jsonl says why\n');
    const found = rows('new/out.jsonl');
    expect(found.map(({ file, error }) => [file.normalize('NFC'), error === ''])).toEqual([
      ['caf\u00e9.pdf', true],
      ['empty.pdf', false],
      ['page.html', false],
      ['none.pdf', false],
      ['report.pdf', true],
    ]);
    for (const { file, error } of found) if (error !== '') expect(error).toContain(file);
    // The receipt has one page; of the report's three, two were asked for.
    expect(found[0].prompt_tokens).toBeGreaterThan(0);
    expect(await kept()).toEqual(['batch_output']);
  });

  it('holds a single document to its pages', async () => {
    writeFileSync(join(work, 'q.csv'), 'question\nTotal?\n');
    const ask = (pages: string) =>
      madakv(
        'batch',
        'run',
        join('docs', 'caf\u00e9.pdf'),
        '--questions',
        'q.csv',
        '--pages',
        pages,
        '-o',
        'one.jsonl',
      );
    expect((await ask('1-3')).code).toBe(1);
    expect(rows('one.jsonl')[0].error).toContain('page 3 was asked for; the document has 1 page');
    expect((await ask('1-3?')).code).toBe(0);
  });

  it('reads JSON Lines with a byte order mark, and has lines that are not UTF-8 refused', async () => {
    const line = (id: string, text: string): string =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/v1/chat/completions',
        body: { model: system.model, messages: [{ role: 'user', content: text }], max_tokens: 4 },
      });
    const bad = Buffer.from(`${line('b', 'Stra\u00dfe?')}\r\n`, 'latin1');
    writeFileSync(join(work, 'in.jsonl'), Buffer.concat([Buffer.from(`\ufeff${line('a', 'Hello')}\r\n`), bad]));
    const { code, stderr } = await madakv('batch', 'run', 'in.jsonl', '-o', 'lines.jsonl');
    expect(code).toBe(1);
    expect(stderr).toContain('line 2: the line is not UTF-8\n');
    const results = readFileSync(join(work, 'lines.jsonl'), 'utf8').trim().split('\n');
    expect(results.map((text) => JSON.parse(text) as unknown)).toMatchObject([
      { custom_id: 'a', response: { status_code: 200 } },
      { custom_id: null, error: { line: 2 } },
    ]);
  });

  it('asks failed lines again, and fetches the results of both batches as one', async () => {
    const line = (id: string, model: string): string =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/v1/chat/completions',
        body: { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 },
      });
    const answer = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await madakv('batch', ...args, '--json');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const completed = async (id: string): Promise<void> => {
      await expect.poll(async () => (await answer('status', id))['status'], { timeout: 60_000 }).toBe('completed');
    };
    writeFileSync(join(work, 'some.jsonl'), [line('a', system.model), line('b', 'nobody')].join('\n'));
    const id = (await madakv('batch', 'run', 'some.jsonl', '--detach')).stdout.trim();
    await completed(id);
    const made = await answer('retry', id);
    expect(made).toMatchObject({ metadata: { retry_of: id } });
    // It names the model that nobody has, and fails as a whole.
    const retry = String(made['id']);
    await expect.poll(async () => (await answer('status', retry))['status'], { timeout: 60_000 }).toBe('failed');
    expect((await answer('status', retry))['errors']).toMatchObject({ data: [{ line: 2 }] });
    expect((await madakv('batch', 'results', id, '-o', 'joined.jsonl')).code).toBe(0);
    const results = readFileSync(join(work, 'joined.jsonl'), 'utf8').trim().split('\n');
    expect(results.map((text) => JSON.parse(text) as unknown)).toMatchObject([
      { custom_id: 'a', response: { status_code: 200 } },
      { custom_id: 'b', response: { status_code: 404 } },
    ]);
  });

  it('deletes what is left when it is told to', async () => {
    expect((await kept()).length).toBeGreaterThan(0);
    const { code, stdout } = await madakv('files', 'rm', '--all', '--yes');
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+ files? deleted\n$/) as string,
    });
    expect(await kept()).toEqual([]);
  });
});
