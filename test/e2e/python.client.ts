import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT } from './service.process.js';

const FOLDER = `${ROOT}test/e2e/python`;
const CACHE = `${ROOT}node_modules/.cache/madakv-python`;
const INSTALL_MS = 300_000;

/** A Python with what a test needs, or why there is none. */
export type PythonClient = { readonly python: string } | { readonly missing: string };

/** Makes a virtual environment of a file of test/e2e/python, once for each version of that file. */
export function pythonClient(file = 'requirements.txt'): PythonClient {
  const requirements = join(FOLDER, file);
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const folder = join(CACHE, version);
  const python = join(folder, 'bin', 'python');
  if (existsSync(join(folder, 'complete'))) return { python };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const failure =
    run('python3', ['-m', 'venv', folder]) ??
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  if (failure !== undefined) return { missing: failure };
  writeFileSync(join(folder, 'complete'), '');
  return { python };
}

/** Runs a script of test/e2e/python. @returns the JSON that it writes */
export async function runPython(python: string, script: string, settings: object): Promise<unknown> {
  const child = spawn(python, [join(FOLDER, script)], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  child.stdin.end(JSON.stringify(settings));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  if (child.exitCode !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** @returns why it failed, if it did */
function run(command: string, args: readonly string[]): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: INSTALL_MS });
  if (error !== undefined) return error.message;
  if (status === 0) return undefined;
  return `${stderr}${stdout}`.trim().split('\n').at(-1) ?? `${command} ended with ${status}`;
}
