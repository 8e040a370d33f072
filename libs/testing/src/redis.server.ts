import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free.port.js';

export interface RedisServerOptions {
  /** Keeps an append-only file, so that `restart` finds what was there. */
  readonly appendOnly?: boolean;
  /** Runs as a cluster of one node that owns all slots: commands and scripts across slots fail, as in any cluster. */
  readonly cluster?: boolean;
}

/** A Redis of a test's own, on a free port of this machine, with its files in a temporary folder. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Kills the server (SIGKILL) and starts it again on the same port and folder. */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

/** Resolves when the server answers. Rejects with what to install when there is no redis-server. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'madakv-redis-'));
  const port = await freePort();
  const start = (): Promise<ChildProcess> => spawnRedis(port, folder, options);
  let server = await start().catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    restart: async () => {
      await end(server, 'SIGKILL');
      server = await start();
    },
    stop: async () => {
      await end(server, 'SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function spawnRedis(
  port: number,
  folder: string,
  { appendOnly = false, cluster = false }: RedisServerOptions,
): Promise<ChildProcess> {
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: appendOnly ? 'yes' : 'no',
    // What is written survives the end of the process; it need not survive that of the machine, and nobody waits for the disk.
    appendfsync: 'no',
    ...(cluster && { 'cluster-enabled': 'yes', 'cluster-port': await freePort() }),
  };
  const args = Object.entries(settings).flatMap(([k, v]) => [`--${k}`, String(v)]);
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const failed = new Promise<Error>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(explain(error));
    });
    child.once('exit', () => {
      resolve(new Error(`redis-server ended at once:\n${output}`));
    });
  });
  const over = new AbortController();
  void failed.then(() => {
    over.abort();
  });
  const failure = await Promise.race([failed, answering(port, over.signal)]);
  if (failure !== undefined) throw failure;
  if (cluster) {
    await say(port, 'CLUSTER ADDSLOTSRANGE 0 16383');
    while (!(await say(port, 'CLUSTER INFO')).includes('cluster_state:ok')) await sleep(20);
  }
  return child;
}

function explain(error: NodeJS.ErrnoException): Error {
  if (error.code !== 'ENOENT') return error;
  return new Error('this test needs a Redis server: apt-get install redis-server', { cause: error });
}

/** Resolves once the server says PONG, which it does not before its append-only file is loaded. */
async function answering(port: number, over: AbortSignal): Promise<void> {
  while (!over.aborted && !(await say(port, 'PING')).startsWith('+PONG')) await sleep(20);
}

/** Sends one inline command; resolves with the reply as it came, or with nothing when there is no server. */
function say(port: number, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    socket.once('data', (reply) => {
      socket.destroy();
      resolve(reply.toString());
    });
    socket.once('error', () => {
      resolve('');
    });
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
