import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { persistenceProblems } from '@madakv/records';
import { freePort } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environmentOf, Rendered, type Container } from './chart.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE } from './tools.js';

/** With what means something to a shell, to Redis's settings, or to both. */
const PASSWORD = 'a-"Pass\\word" $HOME `id` #1\'';

describe.skipIf(!TOOLS_ARE_THERE)(`the bundled Redis, run as its pod runs it${NEEDS_TOOLS}`, () => {
  let folder: string;
  let container: Container;
  let env: Record<string, string>;
  let server: ChildProcess;
  let redis: Redis;

  /** Runs a probe of the container to its end. */
  const probe = (
    name: 'readinessProbe' | 'livenessProbe' | 'startupProbe',
    more: Record<string, string> = {},
  ): number | null => {
    const [command = '', ...args] = container[name]?.exec?.command ?? [];
    return spawnSync(command, args, { env: { ...env, ...more } }).status;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'madakv-chart-redis-'));
    container = (await Rendered.of()).pod('StatefulSet', 'demo-madakv-redis').spec.containers[0];
    const port = await freePort();
    const own = { PATH: process.env['PATH'] ?? '', REDIS_DIR: folder, REDIS_PORT: String(port) };
    env = { ...environmentOf(container, { password: PASSWORD }), ...own };
    const [command = '', ...args] = container.command;
    server = spawn(command, args, { env, stdio: 'ignore' });
    redis = new Redis({ port, password: PASSWORD, maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    await redis.ping();
  });
  afterAll(() => {
    redis.disconnect();
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('loses nothing that was accepted', async () => {
    expect(await persistenceProblems(redis)).toEqual([]);
    expect(await redis.config('GET', 'appendfsync')).toEqual(['appendfsync', 'everysec']);
    expect(await redis.config('GET', 'save')).toEqual(['save', '']);
  });

  it('wants its password, which no list of processes shows', async () => {
    const stranger = new Redis({ port: Number(env['REDIS_PORT']), lazyConnect: true, retryStrategy: () => null });
    stranger.on('error', () => undefined);
    await expect(stranger.get('a')).rejects.toThrow('NOAUTH');
    stranger.disconnect();
    expect(server.spawnargs.join(' ')).not.toContain(PASSWORD);
    const shown = spawnSync('cat', [`/proc/${server.pid}/cmdline`]).stdout.toString();
    expect(shown).toContain('redis-server');
    expect(shown).not.toContain(PASSWORD);
  });

  it('is probed', () => {
    for (const name of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
      expect(probe(name)).toBe(0);
      expect(probe(name, { REDIS_PORT: '1' })).not.toBe(0);
    }
    expect(probe('readinessProbe', { REDIS_PASSWORD: 'wrong' })).not.toBe(0);
  });

  it('hears SIGTERM, and has then what it had', async () => {
    await redis.set('kept', 'yes');
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    const [command = '', ...args] = container.command;
    server = spawn(command, args, { env, stdio: 'ignore' });
    expect(await redis.get('kept')).toBe('yes');
  });
});
