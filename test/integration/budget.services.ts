import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BudgetClient } from '@madakv/budget-client';
import type { BudgetReply, LeaseRef } from '@madakv/contracts';
import { freePort, startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, onTestFinished } from 'vitest';
import { needOf } from './budget.fixture.js';

export const gpu = { deviceId: 'gpu', workerId: 'w1', capacityBytes: 1000 };
export const request = (jobId: string, target = 100) => ({
  deviceId: 'gpu',
  jobId,
  holder: 'w1',
  tenant: 't',
  need: needOf({ target }),
});

export function leaseOf(reply: BudgetReply<'acquire'>, deviceId = 'gpu'): LeaseRef {
  if (reply.outcome !== 'granted') throw new Error(`expected a grant, got ${JSON.stringify(reply)}`);
  return { deviceId, leaseId: reply.granted.leaseId, fencingToken: reply.granted.fencingToken };
}

export async function deviceOf(client: BudgetClient): Promise<BudgetReply<'list'>['devices'][number]> {
  const device = (await client.call('list', { deviceId: 'gpu' })).devices.at(0);
  if (device === undefined) throw new Error('the device is unknown');
  return device;
}

/** Processes of the service beside one Redis; each test's own end with it. */
export class TestServices {
  private server: RedisServer | undefined;
  private readonly running: RunningService[] = [];
  private tests = 0;

  /** Call at the top of a file of tests. */
  constructor() {
    beforeAll(async () => {
      this.server = await startRedis({ appendOnly: true });
    });
    afterEach(async () => {
      await Promise.all(this.running.splice(0).map((service) => service.end('SIGKILL')));
    });
    afterAll(() => this.server?.stop());
  }

  get redis(): RedisServer {
    if (this.server === undefined) throw new Error('not started');
    return this.server;
  }

  /** Settings with keys of their own. */
  readonly fresh = (settings: Record<string, string> = {}): Record<string, string> => ({
    MADAKV_REDIS_URL: this.redis.url,
    MADAKV_BUDGET_KEY_PREFIX: `s${++this.tests}`,
    ...settings,
  });

  readonly start = async (settings: Record<string, string>, port?: number): Promise<RunningService> => {
    const service = await startService(settings, port);
    this.running.push(service);
    return service;
  };
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface RunningService {
  readonly client: BudgetClient;
  readonly httpUrl: string;
  readonly output: () => string;
  readonly port: number;
  /** Sends the signal and waits for the end; resolves with the exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

export function spawnService(environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [`${ROOT}apps/budget/dist/main.js`], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts the built service and resolves when it is ready. `port`: the same again after a restart. */
export async function startService(
  environment: Readonly<Record<string, string>>,
  port?: number,
): Promise<RunningService> {
  const [grpcPort, httpPort] = [port ?? (await freePort()), await freePort()];
  const child = spawnService({
    MADAKV_BUDGET_PORT: String(grpcPort),
    MADAKV_BUDGET_HTTP_PORT: String(httpPort),
    ...environment,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => (output += String(piece)));
  const httpUrl = `http://127.0.0.1:${httpPort}`;
  while ((await statusOf(`${httpUrl}/readyz`)) !== 200 || !output.includes('listening on')) {
    if (child.exitCode !== null) throw new Error(`the service ended:\n${output}`);
    await sleep(30);
  }
  const client = new BudgetClient({ address: `127.0.0.1:${grpcPort}`, deadlineMs: 10_000, maxReconnectMs: 200 });
  return {
    client,
    port: grpcPort,
    httpUrl,
    output: () => output,
    end: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill(signal);
        await gone;
      }
      client.close();
      return child.signalCode ?? child.exitCode;
    },
  };
}

export async function statusOf(url: string): Promise<number> {
  return fetch(url).then(
    (response) => response.status,
    () => 0,
  );
}

/** Takes so much of a device, as another worker on it would, until it is given back or the test ends. */
export async function takeMemory(
  client: BudgetClient,
  deviceId: string,
  bytes: number,
): Promise<{ release: () => Promise<void> }> {
  const need = { peakBytes: bytes, targetBytes: bytes, minBytes: bytes, fullBytes: bytes };
  const request = { deviceId, jobId: 'other', holder: '1', tenant: 'other', need };
  const lease = leaseOf(await client.call('acquire', request), deviceId);
  const renewal = setInterval(() => void client.call('renew', { lease }).catch(() => undefined), 200);
  onTestFinished(() => {
    clearInterval(renewal);
  });
  return {
    release: async () => {
      clearInterval(renewal);
      await client.call('release', { lease });
    },
  };
}
