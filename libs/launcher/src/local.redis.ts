import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { DataFolder } from './data.folder.js';
import type { ProcessPlan } from './supervised.process.js';

const ANSWER_MS = 1_000;

/**
 * A Redis for one machine: only on this host, with a password, and nothing accepted is lost when it is killed. It runs from
 * a file of settings, since a command line is public.
 */
export function redisPlan(folder: DataFolder, port: number, env: NodeJS.ProcessEnv): ProcessPlan {
  const settingsPath = join(folder.redisPath(), 'redis.conf');
  const password = folder.redisPassword();
  const settings: Readonly<Record<string, string | number>> = {
    bind: '127.0.0.1',
    port,
    requirepass: password,
    dir: `"${folder.redisPath()}"`,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '""',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    loglevel: 'notice',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
  folder.writePrivate(settingsPath, lines.join(''));
  return {
    name: 'redis',
    command: 'redis-server',
    args: [settingsPath],
    env,
    logPath: join(folder.logsPath(), 'redis.log'),
    isReady: async () => (await redisReply(port, `AUTH ${password}\r\nPING\r\n`)).includes('+PONG'),
    graceMs: 30_000,
    restartPausesMs: [],
    steadyMs: 0,
    missing:
      'redis-server is not installed: install it (Debian, Ubuntu: sudo apt-get install redis-server; ' +
      'macOS: brew install redis), or name a running one with MADAKV_REDIS_URL',
  };
}

export function localRedisUrl(folder: DataFolder, port: number): string {
  return `redis://:${folder.redisPassword()}@127.0.0.1:${port}`;
}

/** Sends inline commands; resolves with what came back until +PONG or an error, or with nothing when there is no server. */
function redisReply(port: number, commands: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = createConnection(port, '127.0.0.1', () => socket.write(commands));
    const end = (): void => {
      socket.destroy();
      resolve(reply);
    };
    socket.setTimeout(ANSWER_MS, end);
    socket.on('data', (piece) => {
      reply += piece.toString();
      if (/\+PONG|^-/m.test(reply)) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}
