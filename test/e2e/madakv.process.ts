import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ROOT } from './service.process.js';
import type { TestSystem } from './system.fixture.js';

export interface MadakvRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command line against a system, in its folder. */
export async function runMadakv(system: TestSystem, args: readonly string[]): Promise<MadakvRun> {
  const child = spawn(process.execPath, [`${ROOT}apps/cli/bin/madakv.js`, ...args], {
    cwd: system.folder,
    env: {
      PATH: process.env['PATH'],
      HOME: system.folder,
      MADAKV_URL: system.url,
      MADAKV_API_KEY: system.apiKeys.acme,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  return { code: child.exitCode, stdout, stderr };
}
