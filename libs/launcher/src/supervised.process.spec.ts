import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, type ProcessIdentity } from './process.identity.js';
import { SupervisedProcess, type ProcessPlan } from './supervised.process.js';

let folder: string;
let running: SupervisedProcess[];
const never = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'madakv-supervised-'));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((process) => process.stop()));
  rmSync(folder, { recursive: true, force: true });
});

interface Watched {
  readonly process: SupervisedProcess;
  readonly started: ProcessIdentity[];
  readonly ended: number[];
  readonly restarts: string[];
  readonly givenUp: Error[];
  readonly lines: string[];
}

/** A process that runs a script of Node; it is ready once the file `ready` is there. */
function supervise(script: string, plan: Partial<ProcessPlan> = {}): Watched {
  const watched: Omit<Watched, 'process'> = { started: [], ended: [], restarts: [], givenUp: [], lines: [] };
  const process_ = new SupervisedProcess(
    {
      name: 'gateway',
      command: process.execPath,
      args: [
        '-e',
        `const { writeFileSync } = require('fs'); const ready = () => writeFileSync('ready', ''); ${script}`,
      ],
      env: { ...process.env },
      cwd: folder,
      logPath: join(folder, 'gateway.log'),
      isReady: () => Promise.resolve(existsSync(join(folder, 'ready'))),
      graceMs: 20_000,
      restartPausesMs: [1, 1],
      steadyMs: 60_000,
      ...plan,
    },
    {
      onLine: (text) => watched.lines.push(text),
      onStarted: (identity) => watched.started.push(identity),
      onEnded: (pid) => watched.ended.push(pid),
      onRestart: (reason) => watched.restarts.push(reason),
      onGivenUp: (error) => watched.givenUp.push(error),
    },
  );
  running.push(process_);
  return { process: process_, ...watched };
}

const STAYS = 'setInterval(() => {}, 1000);';

describe('SupervisedProcess', () => {
  it('is started when it is ready, and writes what it says to its log', async () => {
    const { process, started, ended, lines } = supervise(
      `console.log('hello'); console.error('world'); ready(); ${STAYS}`,
    );
    await process.start(never);
    expect(started).toHaveLength(1);
    await expect.poll(() => [...lines].sort()).toEqual(['hello', 'world']);
    await process.stop();
    expect(ended).toEqual([started[0].pid]);
    expect(isAlive(started[0])).toBe(false);
    expect(readFileSync(join(folder, 'gateway.log'), 'utf8')).toContain('hello\n');
  });

  it('fails when it ends before it is ready, with its last words', async () => {
    const { process, restarts } = supervise(`console.error('PORT: expected a number'); process.exitCode = 2`);
    await expect(process.start(never)).rejects.toThrow(
      /^gateway: it ended with exit code 2; it said: PORT: expected a number; its log is /,
    );
    expect(restarts).toEqual([]);
  });

  it('says what to install when there is no such command', async () => {
    const { process } = supervise('', { command: 'no-such-command', missing: 'install it' });
    await expect(process.start(never)).rejects.toThrow('install it');
  });

  it('stops waiting when it is told to', async () => {
    const stop = new AbortController();
    const { process, started } = supervise(STAYS);
    const starting = process.start(stop.signal);
    await expect.poll(() => started.length).toBe(1);
    stop.abort(new Error('interrupted'));
    await expect(starting).rejects.toThrow('interrupted');
    await process.stop();
    expect(isAlive(started[0])).toBe(false);
  });

  it('starts it again when it dies, and gives up when it dies again and again', async () => {
    const { process, started, restarts, givenUp } = supervise(`ready(); ${STAYS}`);
    await process.start(never);
    for (const deaths of [1, 2, 3]) {
      await expect.poll(() => started.length).toBe(deaths);
      globalThis.process.kill(started[deaths - 1].pid, 'SIGKILL');
    }
    await expect.poll(() => givenUp).toHaveLength(1);
    expect(restarts).toEqual(['it was ended by SIGKILL', 'it was ended by SIGKILL']);
    expect(givenUp[0].message).toContain('gateway: it was ended by SIGKILL (3 times in a row)');
    expect(started).toHaveLength(3);
  });

  it('gives up at once where nothing may be started again', async () => {
    const { process, started, givenUp } = supervise(`ready(); ${STAYS}`, { restartPausesMs: [] });
    await process.start(never);
    globalThis.process.kill(started[0].pid, 'SIGKILL');
    await expect.poll(() => givenUp).toHaveLength(1);
    expect(started).toHaveLength(1);
  });

  it('counts deaths anew after it ran steadily', async () => {
    const { process, started, givenUp } = supervise(`ready(); ${STAYS}`, { restartPausesMs: [1], steadyMs: 0 });
    await process.start(never);
    for (const deaths of [1, 2, 3]) {
      await expect.poll(() => started.length).toBe(deaths);
      globalThis.process.kill(started[deaths - 1].pid, 'SIGKILL');
    }
    await expect.poll(() => started.length).toBe(4);
    expect(givenUp).toEqual([]);
  });

  it('kills what does not end when asked to', async () => {
    const { process, started } = supervise(`process.on('SIGTERM', () => {}); ready(); ${STAYS}`, { graceMs: 100 });
    await process.start(never);
    await process.stop();
    expect(isAlive(started[0])).toBe(false);
  });

  it('does not start again what it stopped', async () => {
    const { process, restarts, givenUp } = supervise(`ready(); ${STAYS}`);
    await process.start(never);
    await process.stop();
    expect({ restarts, givenUp }).toEqual({ restarts: [], givenUp: [] });
  });

  it('keeps the log of the run before', async () => {
    const first = supervise(`console.log('first'); ready(); ${STAYS}`);
    await first.process.start(never);
    await expect.poll(() => first.lines).toEqual(['first']);
    await first.process.stop();
    await supervise(`ready(); ${STAYS}`).process.start(never);
    expect(readFileSync(join(folder, 'gateway.log.1'), 'utf8')).toBe('first\n');
  });
});
