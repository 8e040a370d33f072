import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FakeApiServer } from '../api/fake.api.server.js';
import { captureRun, type CapturedRun } from '../captured.run.js';

let server: FakeApiServer;
let folder: string;

beforeEach(async () => {
  server = new FakeApiServer();
  await server.start();
  folder = mkdtempSync(join(tmpdir(), 'madakv-ask-'));
  writeFileSync(join(folder, 'a.pdf'), 'a document');
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (...args: string[]): Promise<CapturedRun> =>
  captureRun(['ask', ...args, '--url', server.url, '--data', join(folder, 'data')], { cwd: folder });

it('writes the answer and one line about the cache, and takes the document back', async () => {
  const { code, stdout, stderr } = await ask('a.pdf', 'Total?', '--pages', '2-', '--cache-ratio', '0.2');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /^answer to Total\?\n\ncache 20\.0 % kept \(1\.95 MiB of 9\.77 MiB, madakv\); prompt 1,000 tokens: 40 text, 960 visual; (npx )?madakv trace chatcmpl-\d+ --url http:\S+ --data \S+\n$/,
  );
  expect(server.asked[0]).toMatchObject({ model: 'fake-reader', madakv: { pages: '2-', cache_ratio: 0.2 } });
  expect(server.files.size).toBe(0);
});

it('lets the document expire, should the command be killed', async () => {
  await ask('a.pdf', 'Total?');
  expect(server.uploads.map(({ expires_at = 0, created_at }) => expires_at - created_at)).toEqual([86_400]);
});

it('says what the server warns of, beside the answer and in its object', async () => {
  server.warnings = [
    { code: 'font_missing', message: 'page 2: a font is not embedded', param: 'messages.0.content.0.file' },
  ];
  const { stdout, stderr } = await ask('a.pdf', 'Total?');
  expect(stderr).toBe('warning: font_missing: page 2: a font is not embedded\n');
  expect(stdout).not.toContain('font_missing');
  expect(JSON.parse((await ask('a.pdf', 'Total?', '--json')).stdout)).toMatchObject({
    madakv: { warnings: server.warnings },
  });
});

it('refuses pages that nobody could read', async () => {
  const { code, stderr } = await ask('a.pdf', 'Total?', '--pages', 'first');
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('pages and spans like 1-3') as string });
});

it('prints one object with --json', async () => {
  const { stdout } = await ask('a.pdf', 'Total?', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    answer: 'answer to Total?',
    finish_reason: 'stop',
    usage: { prompt_tokens: 1000 },
    madakv: { policy: 'madakv' },
  });
});

it('says what the server says, and takes the document back all the same', async () => {
  server.answer = () => ({ status: 400, code: 'encrypted_pdf', message: 'the PDF needs a password' });
  const { code, stderr } = await ask('a.pdf', 'Total?');
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'madakv: the PDF needs a password (400 encrypted_pdf)\n' });
  expect(server.files.size).toBe(0);
});

it('wants a model named when there are several', async () => {
  server.models = ['one', 'two'];
  const { code, stderr } = await ask('a.pdf', 'Total?');
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'madakv: the server has several models; choose one with --model: one, two\n',
  });
  expect((await ask('a.pdf', 'Total?', '--model', 'two')).code).toBe(0);
});

it.each([
  [['b.pdf', 'Total?'], 'b.pdf: no such file'],
  [['a.pdf', ' '], 'the question is empty'],
  [['a.pdf', 'Total?', '--local'], '--local starts a server of its own: leave out --url'],
])('refuses %j', async (args, message) => {
  const { code, stderr } = await ask(...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: `madakv: ${message}\n` });
  expect(server.asked).toEqual([]);
});

it('says how to start a server when there is none', async () => {
  const { code, stderr } = await captureRun(['ask', 'a.pdf', 'Total?', '--data', join(folder, 'data')], {
    cwd: folder,
  });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^madakv: no system runs on .*data: start one with `(npx )?madakv up --data \S+`/);
});
