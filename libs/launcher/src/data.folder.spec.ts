import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataFolder } from './data.folder.js';
import { identityOf, isAlive, type ProcessIdentity } from './process.identity.js';

let path: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'madakv-data-')), 'data');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(join(path, '..'), { recursive: true, force: true });
});

/** A process that runs until it is told to end. */
function someProcess(): ProcessIdentity {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  children.push(child);
  const identity = identityOf(child.pid ?? 0);
  if (identity === undefined) throw new Error('the process did not start');
  return identity;
}

const leave = (record: object): void => {
  new DataFolder(path).create();
  writeFileSync(join(path, 'system.json'), JSON.stringify(record));
};

describe('DataFolder', () => {
  it('makes its secrets once, for its owner alone', () => {
    const folder = new DataFolder(path);
    const key = folder.apiKey();
    expect(new DataFolder(path).apiKey()).toBe(key);
    expect(key).toMatch(/^mk-[\w-]{43}$/);
    expect(statSync(join(path, 'api-key')).mode & 0o777).toBe(0o600);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(folder.redisPassword()).not.toBe(key);
  });

  it('is refused to a second holder while the first lives, with its process', async () => {
    const holder = someProcess();
    leave({ holder, url: 'http://127.0.0.1:8000', model: 'm', processes: [] });
    await expect(new DataFolder(path).claim('m')).rejects.toThrow(
      `process ${holder.pid}, answers at http://127.0.0.1:8000`,
    );
  });

  it('says what runs on it', async () => {
    const folder = new DataFolder(path);
    expect(folder.running()).toBeUndefined();
    await folder.claim('m');
    expect(folder.running()).toBeUndefined();
    folder.update({ url: 'http://127.0.0.1:1', model: 'm', processes: [] });
    expect(folder.running()).toEqual({ url: 'http://127.0.0.1:1', model: 'm', apiKey: folder.apiKey() });
    folder.release();
    expect(folder.running()).toBeUndefined();
  });

  it('passes on from a holder that was killed, whose processes are ended first', async () => {
    const [holder, orphan] = [someProcess(), someProcess()];
    leave({ holder, url: null, model: 'm', processes: [{ ...orphan, name: 'worker-1', graceMs: 5000 }] });
    process.kill(holder.pid, 'SIGKILL');
    await expect.poll(() => isAlive(holder)).toBe(false);
    await new DataFolder(path).claim('m');
    expect(isAlive(orphan)).toBe(false);
    expect(JSON.parse(readFileSync(join(path, 'system.json'), 'utf8'))).toMatchObject({ holder: { pid: process.pid } });
  });

  it('does not end a process that only has the number of an orphan', async () => {
    const other = someProcess();
    const dead = { ...other, startedAt: '1' };
    leave({ holder: dead, url: null, model: 'm', processes: [{ ...dead, name: 'worker-1', graceMs: 0 }] });
    await new DataFolder(path).claim('m');
    expect(isAlive(other)).toBe(true);
  });

  it('passes on from a record that cannot be read', async () => {
    new DataFolder(path).create();
    writeFileSync(join(path, 'system.json'), '{"holder":');
    await new DataFolder(path).claim('m');
    expect(new DataFolder(path).running()).toBeUndefined();
  });
});

it('a process that has ended has no identity, also before anyone has asked for its exit code', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  expect(identityOf(child.pid ?? 0)).toBeUndefined();
});
