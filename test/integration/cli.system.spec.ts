import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive, LocalSystem, ProcessIdentitySchema, type ProcessIdentity } from '@madakv/launcher';
import { startRedis } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MADAKV = join(ROOT, 'apps', 'cli', 'bin', 'madakv.js');
const MODEL = join(ROOT, 'test', 'conformance', 'fixtures', 'qwen-plain', 'checkpoint');
const RECEIPT = join(ROOT, 'examples', 'demo', 'receipt.pdf');
/** A start takes seconds, on a busy machine many. */
const START = { timeout: 120_000, interval: 100 };
const TEST_MS = 240_000;

const RecordSchema = z.object({
  url: z.string().nullable(),
  processes: z.array(ProcessIdentitySchema.extend({ name: z.string() })),
});

let work: string;
const running: Up[] = [];

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-system-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((up) => up.end('SIGTERM')));
}, 120_000);
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  MADAKV_CACHE: join(work, 'cache'),
  MADAKV_THREADS: '1',
  MADAKV_REDIS_URL: '',
});

/** A `madakv up` of its own. */
class Up {
  stdout = '';
  stderr = '';
  private readonly child: ChildProcess;

  constructor(
    readonly data: string,
    args: readonly string[] = ['--port', '0'],
    env: NodeJS.ProcessEnv = environment(),
  ) {
    this.child = spawn(process.execPath, [MADAKV, 'up', '--model', MODEL, '--data', data, ...args], { env });
    this.child.stdout?.on('data', (piece) => (this.stdout += String(piece)));
    this.child.stderr?.on('data', (piece) => (this.stderr += String(piece)));
    running.push(this);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves when everything is up; rejects with its output when it ended instead. */
  async ready(): Promise<this> {
    await expect.poll(() => this.ended || this.stdout.includes('madakv is up'), START).toBe(true);
    if (this.ended) throw new Error(this.stderr);
    return this;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    if (!this.ended) {
      const over = once(this.child, 'close');
      if (signal !== undefined) this.child.kill(signal);
      await over;
    }
    return this.child.signalCode ?? this.child.exitCode;
  }

  private get record(): z.output<typeof RecordSchema> {
    return RecordSchema.parse(JSON.parse(readFileSync(join(this.data, 'system.json'), 'utf8')));
  }

  /** Where it says that it answers. */
  get url(): string {
    return this.record.url ?? '';
  }

  /** What it says runs. */
  processes(): ReadonlyMap<string, ProcessIdentity> {
    return new Map(this.record.processes.map(({ name, pid, startedAt }) => [name, { pid, startedAt }]));
  }

  process(name: string): ProcessIdentity {
    const found = this.processes().get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }
}

async function madakv(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MADAKV, ...args], { env: environment(), cwd: work });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (piece) => (stdout += String(piece)));
  child.stderr.on('data', (piece) => (stderr += String(piece)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

/** A folder with a document and questions about it. */
function documents(name: string): string {
  const folder = join(work, name);
  mkdirSync(folder);
  copyFileSync(RECEIPT, join(folder, 'receipt.pdf'));
  writeFileSync(
    join(folder, 'questions.csv'),
    'custom_id,file,question\na,receipt.pdf,Total?\nb,receipt.pdf,Change?\n',
  );
  return folder;
}

const alive = (processes: Iterable<ProcessIdentity>): number => [...processes].filter(isAlive).length;

describe('madakv up', { timeout: TEST_MS }, () => {
  it('answers, keeps what it has over restarts, and ends everything in order on Ctrl-C', async () => {
    const data = join(work, 'whole life');
    const first = await new Up(data).ready();
    const processes = first.processes();
    expect([...processes.keys()].sort()).toEqual(['budget', 'gateway', 'redis', 'worker-1']);
    for (const secret of ['api-key', 'redis-password', 'api-keys.json']) {
      expect(statSync(join(data, secret)).mode & 0o777).toBe(0o600);
    }
    const key = readFileSync(join(data, 'api-key'), 'utf8').trim();
    expect(first.stdout).toContain(key);
    expect(first.stdout).toContain(`--data '${data}'`);
    expect(readFileSync(join(data, 'api-keys.json'), 'utf8')).not.toContain(key);

    // The link opens the page for the system's own key, which sees all of it; once.
    const [, url = '', link = ''] = /^ +page +(\S+)\/#link=(\S+)$/m.exec(first.stdout) ?? [];
    const signIn = (): Promise<Response> =>
      fetch(`${url}/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ link }),
      });
    expect(await (await signIn()).json()).toMatchObject({ object: 'session', tenant: 'local', operator: true });
    expect((await signIn()).status).toBe(401);

    const refused = await madakv('up', '--data', data, '--model', MODEL, '--port', '0');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(new RegExp(`runs on .* already \\(process ${first.pid}, answers at http`));

    const asked = await madakv('ask', RECEIPT, 'Total?', '--max-tokens', '4', '--data', data);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    const traceId = /madakv trace (\S+)/.exec(asked.stdout)?.[1] ?? '';
    const drawn = await madakv('trace', traceId, '--data', data);
    expect(drawn.stdout).toContain(`${traceId}   checkpoint   `);
    expect(drawn.stdout.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);

    const batch = await madakv('batch', 'run', documents('docs'), '--max-tokens', '4', '-o', 'out.csv', '--data', data);
    expect(batch).toMatchObject({ code: 0, stderr: expect.stringContaining('2 of 2 answered') as string });
    expect(readFileSync(join(work, 'out.csv'), 'utf8').split('\n')[0]).toBe(
      'custom_id,file,question,answer,cache_kept,prompt_tokens,bytes_full,bytes_kept,warnings,error',
    );

    expect(await first.end('SIGINT')).toBe(0);
    expect(alive(processes.values())).toBe(0);
    expect(existsSync(join(data, 'system.json'))).toBe(false);
    const stopped = [...first.stderr.matchAll(/^(\S+) +stopped/gm)].map(([, name]) => name);
    expect(stopped).toEqual(['worker-1', 'gateway', 'budget', 'redis']);
    expect(readFileSync(join(data, 'logs', 'redis.log'), 'utf8')).toContain('Calling fsync() on the AOF file');

    const second = await new Up(data).ready();
    expect(second.stdout).toContain(key);
    expect((await madakv('batch', 'list', '--data', data)).stdout).toMatch(/batch_\S+ +completed .* 2 +0 +2\n/);
    expect((await madakv('trace', traceId, '--data', data)).stdout).toBe(drawn.stdout);
  });

  it('starts a killed worker and a killed gateway again, and answers on', async () => {
    const up = await new Up(join(work, 'restarts'), ['--port', '0', '--workers', '2']).ready();
    const before = new Map(up.processes());
    expect([...before.keys()]).toContain('worker-2');
    for (const name of ['worker-1', 'gateway']) process.kill(up.process(name).pid, 'SIGKILL');
    await expect.poll(() => up.stderr, START).toMatch(/worker-1 +it was ended by SIGKILL; starts again in 500 ms/);
    const restarted = (): string[] =>
      ['worker-1', 'gateway'].filter((name) => {
        const now = up.processes().get(name);
        return now !== undefined && now.pid !== before.get(name)?.pid;
      });
    await expect.poll(restarted, START).toEqual(['worker-1', 'gateway']);
    // They have been started, and take their time to answer.
    const answers = async (): Promise<number> => (await fetch(`${up.url}/v1/models`)).status;
    await expect.poll(answers, START).toBe(401);
    const asked = await madakv('ask', RECEIPT, 'Total?', '--max-tokens', '4', '--data', up.data);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
  });

  it('leaves nobody behind when it is killed itself, and the next one takes over', async () => {
    const data = join(work, 'killed');
    const first = await new Up(data).ready();
    const processes = first.processes();
    await first.end('SIGKILL');
    await expect.poll(() => alive(processes.values()), START).toBe(0);
    const second = await new Up(data).ready();
    expect(await second.end('SIGTERM')).toBe(0);
  });

  it('kills everything on a second Ctrl-C', async () => {
    const up = await new Up(join(work, 'twice')).ready();
    const processes = up.processes();
    // It cannot end when it is asked to.
    process.kill(up.process('worker-1').pid, 'SIGSTOP');
    const interrupted = (): boolean => up.ended || !process.kill(up.pid, 'SIGINT');
    await expect.poll(interrupted, { ...START, interval: 500 }).toBe(true);
    expect(await up.end()).toBe(130);
    await expect.poll(() => alive(processes.values()), START).toBe(0);
  });

  it('ends with an error when Redis dies', async () => {
    const up = await new Up(join(work, 'no redis')).ready();
    const processes = up.processes();
    process.kill(up.process('redis').pid, 'SIGKILL');
    expect(await up.end()).toBe(1);
    expect(up.stderr).toContain('madakv: redis: it was ended by SIGKILL');
    expect(alive(processes.values())).toBe(0);
  });

  it('stops cleanly while it is still starting', async () => {
    const up = new Up(join(work, 'early'));
    await expect.poll(() => up.stderr, START).toMatch(/^redis +ready/m);
    const redis = up.process('redis');
    expect(await up.end('SIGINT')).toBe(130);
    expect(alive([redis])).toBe(0);
  });

  it('says which flag to use when the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await madakv('up', '--model', MODEL, '--data', join(work, 'port'), '--port', String(port));
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `madakv: port ${port} is taken; choose another one with --port\n`,
    });
    server.close();
  });

  it('says what to install when there is no redis-server', async () => {
    const data = join(work, 'bare');
    const up = new Up(data, ['--port', '0'], { ...environment(), PATH: '/nonexistent' });
    expect(await up.end()).toBe(1);
    expect(up.stderr).toContain('madakv: redis-server is not installed: install it (Debian, Ubuntu: sudo apt-get');
    expect(existsSync(join(data, 'system.json'))).toBe(false);
  });

  it('says where a model comes from when there is none', async () => {
    const { code, stderr } = await madakv('up', '--model', work, '--data', join(work, 'model'));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `madakv: ${work}: no checkpoint (there is no config.json)\n`,
    });
  });
});

describe('LocalSystem', { timeout: TEST_MS }, () => {
  it('uses a Redis that runs already, and leaves it running', async () => {
    const redis = await startRedis({ appendOnly: true });
    const notes: string[] = [];
    const system = await LocalSystem.start({
      dataFolder: join(work, 'library'),
      model: MODEL,
      redisUrl: redis.url,
      environment: { MADAKV_CACHE: join(work, 'cache'), MADAKV_THREADS: '1' },
      onNote: ({ kind, process: name }) => notes.push(`${kind} ${name}`),
    });
    try {
      expect(system.processes.map(({ name }) => name).sort()).toEqual(['budget', 'gateway', 'worker-1']);
      const models = (key: string): Promise<Response> =>
        fetch(`${system.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
      expect(await (await models(system.apiKey)).json()).toMatchObject({ data: [{ id: system.model }] });
      expect((await models('mk-other')).status).toBe(401);
    } finally {
      await system.stop();
    }
    expect(notes.slice(-2)).toEqual(['stopping budget', 'stopped budget']);
    expect(system.processes).toEqual([]);
    const client = new Redis(redis.url);
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    await redis.stop();
  });
});

describe('without a server', { timeout: TEST_MS }, () => {
  it('--local starts what is needed, answers, and ends it again', async () => {
    const data = join(work, 'local');
    const args = ['--local', '--model', MODEL, '--data', data, '--max-tokens', '4'];
    const run = await madakv('batch', 'run', documents('local docs'), '-o', 'local.jsonl', ...args);
    expect(run).toMatchObject({ code: 0, stderr: expect.stringContaining('2 of 2 answered') as string });
    const rows = readFileSync(join(work, 'local.jsonl'), 'utf8').trim().split('\n');
    expect(rows.map((row) => JSON.parse(row) as unknown)).toMatchObject([
      { custom_id: 'a', error: '' },
      { custom_id: 'b', error: '' },
    ]);
    expect(existsSync(join(data, 'system.json'))).toBe(false);
  });

  it('madakv demo answers all questions twice and compares', async () => {
    const { code, stdout } = await madakv('demo', '--model', MODEL);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^question +answer +tokens +kept +saved$/m);
    expect(stdout).toMatch(/^total +20 % of the cache +100 % of the cache$/m);
    expect(stdout).toMatch(/^right +\d+ of 28 \(.* %\) +\d+ of 28 \(.* %\)$/m);
    expect(stdout).toMatch(/^cache saved +\S+ KiB +0 B$/m);
    expect(stdout).toContain('Layers: rows a head');
  });
});
