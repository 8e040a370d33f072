import { DataFolder } from '@madakv/launcher';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureRun } from '../captured.run.js';
import { FakeApiServer } from './fake.api.server.js';
import { commandThere } from './server.access.js';

it.each([
  [['ask', 'package.json', 'x'], true],
  [['batch', 'list'], false],
  [['files', 'list'], false],
  [['trace', 'x'], false],
])('names what would serve %j, where it looks, and --local only where that is a flag', async (args, startsLocal) => {
  const { code, stderr } = await captureRun([...args, '--data', '/none/of my own']);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^madakv: no system runs on \/none\/of my own: start one with `(npx )?madakv up --data '\/none\/of my own'`, /,
  );
  expect(stderr.includes('add --local')).toBe(startsLocal);
  const options = (await captureRun([...args.slice(0, args[0] === 'ask' || args[0] === 'trace' ? 1 : 2), '--help']))
    .stdout;
  expect(options.includes('--local')).toBe(startsLocal);
});

describe('--local where a system runs already', () => {
  const server = new FakeApiServer();
  const data = mkdtempSync(join(tmpdir(), 'madakv-local-'));
  const folder = new DataFolder(data);
  beforeAll(async () => {
    await server.start();
    await folder.claim('fake-reader');
    folder.update({ url: server.url, model: 'fake-reader', processes: [] });
    writeFileSync(join(data, 'a.pdf'), 'a document');
    writeFileSync(join(data, 'asked.csv'), 'question\nTotal?\n');
  });
  afterAll(async () => {
    folder.release();
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const ask = (...flags: string[]) =>
    captureRun(['ask', 'a.pdf', 'x', '--local', '--data', data, ...flags], { cwd: data });

  it.each([[[]], [['--model', 'models/fake-reader']]])('asks that one with %j', async (flags) => {
    expect(await ask(...flags)).toMatchObject({ code: 0, stderr: '' });
  });

  it.each([
    [
      ['--model', '/models/other'],
      `--model /models/other: the system that runs on ${data} serves fake-reader; stop it`,
    ],
    [['--model', 'owner/other'], 'serves fake-reader; stop it, or name another folder with --data'],
  ])('does not ask it for another model with %j', async (flags, message) => {
    const before = server.calls.length;
    const { code, stderr } = await ask(...flags);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(server.calls).toHaveLength(before);
  });

  it('does not give it other workers', async () => {
    const args = ['batch', 'run', 'a.pdf', '--questions', 'asked.csv', '--local', '--data', data, '--workers', '2'];
    const { code, stderr } = await captureRun(args, { cwd: data });
    expect(stderr).toContain(`--workers: a system runs on ${data} already`);
    expect(code).toBe(2);
  });
});

it('writes a command as it has to be typed to reach the same server', () => {
  expect(commandThere('trace x', {})).toMatch(/^(npx )?madakv trace x$/);
  expect(commandThere('trace x', { url: 'http://a:1', data: 'my data' })).toMatch(
    /madakv trace x --url http:\/\/a:1 --data 'my data'$/,
  );
});
