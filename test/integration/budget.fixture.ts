import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetClient } from '@madakv/budget-client';
import type { Need } from '@madakv/contracts';
import { freePort } from '@madakv/testing';
import type { Redis } from 'ioredis';
import { LeaseRepository, type LeasePolicy } from '../../apps/budget/src/lease.repository.js';
import { LuaScripts } from '../../apps/budget/src/lua.scripts.js';

/** Stands in for Redis's TIME: every key family has a clock of its own that tests set. */
export const TEST_CLOCK = `local function clock_ms() return tonumber(redis.call('GET', KEYS[1] .. ':clock')) end`;

export const START_MS = 1_700_000_000_000;

export const POLICY: LeasePolicy = {
  leaseTtlMs: 1_000,
  deviceTtlMs: 100_000,
  forgetMs: 10_000,
  retryMs: 100,
  maxRetryMs: 500,
  waitGraceMs: 500,
  overtakeMs: 300,
  tenantShares: { '*': 1 },
};

/** Leases on a Redis, under a prefix of their own, with clocks that only tests move. */
export class LeaseBench {
  readonly leases: LeaseRepository;

  constructor(
    readonly redis: Redis,
    readonly prefix: string,
    readonly policy: LeasePolicy = POLICY,
    scripts = new LuaScripts(redis, { 'clock.lua': TEST_CLOCK }),
  ) {
    this.leases = new LeaseRepository(scripts, prefix, policy);
  }

  async setClock(deviceId: string, ms: number): Promise<void> {
    await this.redis.set(`${this.leases.keysOf(deviceId).slice(0, 1).join()}:clock`, ms);
  }
}

/** `transient` is held during prefill on top of what is granted. */
export function needOf({ target, min = target, transient = 0, full = target * 4 }: NeedShape): Need {
  return { peakBytes: target + transient, targetBytes: target, minBytes: min, fullBytes: full };
}

interface NeedShape {
  readonly target: number;
  readonly min?: number;
  readonly transient?: number;
  readonly full?: number;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles the service, since a process of its own runs what was built. Nothing happens when that is up to date. */
export function buildService(): void {
  const tsc = `${ROOT}node_modules/typescript/bin/tsc`;
  const built = spawnSync(process.execPath, [tsc, '-b', `${ROOT}apps/budget`], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(built.stdout);
}

export interface RunningService {
  readonly client: BudgetClient;
  readonly httpUrl: string;
  readonly output: () => string;
  readonly process: ChildProcess;
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
): Promise<RunningService & { readonly port: number }> {
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
  const client = new BudgetClient({ address: `127.0.0.1:${grpcPort}`, maxReconnectMs: 200 });
  return {
    client,
    port: grpcPort,
    httpUrl,
    output: () => output,
    process: child,
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
