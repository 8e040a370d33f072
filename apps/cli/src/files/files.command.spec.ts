import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../api/api.client.js';
import { RunFixture } from '../batch/run.fixture.js';

let fixture: RunFixture;
let ids: string[];

beforeEach(async () => {
  fixture = await RunFixture.start();
  const client = new ApiClient({ url: fixture.server.url, signal: new AbortController().signal });
  ids = [];
  for (const [name, purpose] of [
    ['a.pdf', 'user_data'],
    ['in.jsonl', 'batch'],
    ['b.pdf', 'user_data'],
  ] as const) {
    ids.push((await client.uploadFile(new Blob(['12345']), name, purpose, { expiresAfterS: 3_600 })).id);
  }
  fixture.server.age(ids[0], 8 * 86_400);
});
afterEach(() => fixture.stop());

const files = (...args: string[]) => fixture.madakv('files', ...args);
const left = (): string[] => [...fixture.server.files.values()].map(({ object }) => object.filename);

describe('madakv files list', () => {
  it('lists the newest first, in a table or as objects', async () => {
    const { code, stdout } = await files('list');
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^file +purpose +size +created +expires +name$/);
    expect(lines.slice(1).map((line) => line.split(/\s+/).at(-1))).toEqual(['b.pdf', 'in.jsonl', 'a.pdf']);
    expect(lines[1]).toMatch(/^file-\d+ +user_data +5 B +20\d\d-.* UTC +20\d\d-.* UTC +b\.pdf$/);
    const json = await files('list', '--json', '--purpose', 'user_data', '--limit', '1');
    expect(JSON.parse(json.stdout)).toMatchObject({ id: ids[2], filename: 'b.pdf', purpose: 'user_data' });
  });
});

describe('madakv files rm', () => {
  it('deletes what it is named, and says what is not there', async () => {
    const { code, stdout, stderr } = await files('rm', ids[0], 'file-x', ids[1]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '2 files deleted\n' });
    expect(stderr).toBe('file-x: no file file-x (404 not_found)\nmadakv: 1 file could not be deleted\n');
    expect(left()).toEqual(['b.pdf']);
  });

  it.each([
    [['--all'], []],
    [
      ['--older-than', '7d'],
      ['in.jsonl', 'b.pdf'],
    ],
    [['--purpose', 'user_data'], ['in.jsonl']],
    [
      ['--purpose', 'batch', '--older-than', '7d'],
      ['a.pdf', 'in.jsonl', 'b.pdf'],
    ],
  ])('deletes what %j chooses', async (flags, rest) => {
    const { code } = await files('rm', ...flags, '--yes');
    expect(code).toBe(0);
    expect(left()).toEqual(rest);
  });

  it.each([
    ['y\n', []],
    ['YES\n', []],
    ['\n', ['a.pdf', 'in.jsonl', 'b.pdf']],
    ['', ['a.pdf', 'in.jsonl', 'b.pdf']],
  ])('asks before, and takes %j for an answer', async (stdin, rest) => {
    const { code, stderr } = await fixture.run(['files', 'rm', '--all'], { stdin, isTerminal: true });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Delete 3 files of 15 B at http:\S+\? \[y\/N\] /);
    expect(left()).toEqual(rest);
  });

  it('prints objects', async () => {
    expect((await files('rm', ids[0], '--json')).stdout).toBe(`{"id":"${ids[0]}","deleted":true}\n`);
  });

  it.each([
    [['--all'], /Delete 3 files of 15 B at http:\S+\? Standard input is no terminal; say so with --yes\n$/],
    [[], /nothing to delete: give ids, --older-than, --purpose or --all/],
    [['file-1', '--all'], /name files by id, or choose them with flags, not both/],
    [['--all', '--older-than', '7d'], /--all is every file/],
    [['--older-than', 'a week'], /It must be a time such as 90s, 30m, 12h, 7d or 2w/],
    [['--purpose', 'photos'], /Allowed choices are batch, batch_output, user_data/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await files('rm', ...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as string });
    expect(left()).toHaveLength(3);
  });
});
