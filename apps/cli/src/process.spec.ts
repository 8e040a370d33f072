import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withoutProgress } from './captured.run.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const MADAKV = join(ROOT, 'apps', 'cli', 'bin', 'madakv.js');
const FIXTURES = join(ROOT, 'test', 'conformance', 'fixtures');
const MODEL = join(FIXTURES, 'qwen-plain', 'checkpoint');

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-process-'));
  // The command runs what was built; nothing happens when that is up to date.
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const built = spawnSync(process.execPath, [tsc, '-b', join(ROOT, 'apps', 'cli')], { encoding: 'utf8' });
  expect(built.stdout).toBe('');
}, 600_000);
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

const env = (): NodeJS.ProcessEnv => ({ ...process.env, MADAKV_CACHE: join(work, 'cache') });
const generate = (...args: string[]): string[] => [MADAKV, 'generate', '--model', MODEL, '--threads', '1', ...args];

/** A request whose answer takes long enough to be stopped. */
function longRequest(): string {
  const path = join(work, 'long.json');
  const messages = [{ role: 'user', content: 'Tell a story.' }];
  writeFileSync(path, JSON.stringify({ messages, max_tokens: 4000, madakv: { cache_ratio: 1 } }));
  return path;
}

const ended = (child: ChildProcess): Promise<{ code: number | null; signal: string | null }> =>
  new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal });
    });
  });

describe('the madakv process', () => {
  it('answers a request from standard input', () => {
    const input = JSON.stringify({ messages: [{ role: 'user', content: 'Which line is higher?' }], max_tokens: 3 });
    const { status, stdout, stderr } = spawnSync(process.execPath, generate('--request', '-', '--json'), {
      input,
      encoding: 'utf8',
      env: env(),
    });
    expect({ status, stderr: withoutProgress(stderr) }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ usage: { completion_tokens: 3 }, finish_reason: 'length' });
  });

  it('exits with 2 and one line on stderr when the command line is wrong', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, generate('--quant', '3'), { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^madakv: [^\n]*Allowed choices are none, 8, 4, w8a8\.\n$/);
  });

  it.each([
    ['SIGINT', 130, 'madakv: interrupted\n'],
    ['SIGTERM', 143, 'madakv: terminated\n'],
  ] as const)('stops cleanly on %s', async (signal, exitCode, message) => {
    const child = spawn(process.execPath, generate('--request', longRequest()), { env: env() });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.once('data', () => child.kill(signal));
    expect(await ended(child)).toEqual({ code: exitCode, signal: null });
    expect(withoutProgress(stderr)).toBe(message);
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, generate('--request', longRequest()), { env: env() });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await ended(child)).toEqual({ code: 0, signal: null });
    expect(withoutProgress(stderr)).toBe('');
  });

  it('is found by npx in a clone, and npm has nothing to say before it', () => {
    const { status, stdout, stderr } = spawnSync('npx', ['--no-install', 'madakv', '--version'], {
      cwd: ROOT,
      encoding: 'utf8',
      // As from a shell: what an npm around this test has set does not count.
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_'))),
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('installs no package that wants a newer Node than the project', () => {
    const LockSchema = z.object({
      packages: z.record(z.string(), z.object({ engines: z.unknown().optional() })),
    });
    const { packages } = LockSchema.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
    const newer = Object.entries(packages).filter(([, { engines }]) => {
      const { node } = z
        .object({ node: z.string().default('') })
        .catch({ node: '' })
        .parse(engines);
      return /^>=? *(2[1-9]|[3-9]\d)/.test(node);
    });
    expect(newer.map(([path]) => path)).toEqual([]);
  });

  it('says what to do when it was not built', () => {
    const copy = join(work, 'cli', 'bin', 'madakv.js');
    cpSync(MADAKV, copy);
    writeFileSync(join(work, 'cli', 'package.json'), '{"type":"module"}');
    const { status, stderr } = spawnSync(process.execPath, [copy, '--version'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'madakv: not built yet; run `make build` first\n' });
  });
});
