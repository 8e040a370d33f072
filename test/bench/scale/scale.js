#!/usr/bin/env node
/*
 * What the memory-budget service and Redis do with a thousand workers: real service, real Redis, workers that only wait where an engine
 * would compute. Prints the rows of docs/scale.md.
 *
 *   make build && node test/bench/scale/scale.js [--workers 1000] [--replicas 1] [--speed 1] [--seconds 30] [--restart]
 *
 * --concurrency 8: requests at a time on a worker, each with a lease that is renewed.
 * --speed 10: engines ten times as fast as measured; 0: engines that take no time, for what service and Redis do at the most.
 * --restart: kills the services afterwards and starts them again, for how long it takes until workers get leases.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';

const { values: flags } = parseArgs({
  options: {
    workers: { type: 'string', default: '1000' },
    replicas: { type: 'string', default: '1' },
    speed: { type: 'string', default: '1' },
    concurrency: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '30' },
    start: { type: 'string', default: '10' },
    warm: { type: 'string', default: '15' },
    restart: { type: 'boolean', default: false },
  },
});
const [workers, replicas, speed, seconds] = [flags.workers, flags.replicas, flags.speed, flags.seconds].map(Number);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Receipts of 1,000 tokens on Qwen2.5-VL-3B's shape, 8 at a time: docs/benchmarks/cpu.md has 1,626 tokens/s through 4 of 36 layers
 * (prefill-qwen3b-w8a8) and 254 ms a step of eight (width8-qwen3b-w8a8), here 32 steps.
 */
const READ_MS = 1_000 * (1_000 / ((1_626 * 4) / 36));
const ANSWER_MS = 32 * 254;
const TARGET = Math.round(1_000 * 72 * 1_024 * 0.2);
const NEED = {
  targetBytes: TARGET,
  minBytes: TARGET / 2,
  peakBytes: TARGET + 2 * 1_024 ** 2,
  fullBytes: 1_000 * 72 * 1_024,
};

const folder = mkdtempSync(join(tmpdir(), 'madakv-scale-'));
const children = [];
const port = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
};

async function startRedis() {
  const redisPort = await port();
  const args = {
    port: redisPort,
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'yes',
    appendfsync: 'everysec',
  };
  const child = spawn(
    'redis-server',
    Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)]),
    {
      stdio: 'ignore',
    },
  );
  children.push(child);
  return { child, url: `redis://127.0.0.1:${redisPort}` };
}

async function startService(redisUrl, ports) {
  const child = spawn(process.execPath, [join(ROOT, 'apps/budget/dist/main.js')], {
    env: {
      PATH: process.env.PATH,
      MADAKV_REDIS_URL: redisUrl,
      MADAKV_BUDGET_PORT: String(ports.grpc),
      MADAKV_BUDGET_HTTP_PORT: String(ports.http),
      MADAKV_LOG_LEVEL: 'warn',
    },
    stdio: 'ignore',
  });
  children.push(child);
  while (
    !(await fetch(`http://127.0.0.1:${ports.http}/readyz`).then(
      (reply) => reply.ok,
      () => false,
    ))
  )
    await sleep(50);
  return child;
}

/** Seconds of processor time that a process has taken. */
function cpuSeconds({ pid }) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
const residentMb = ({ pid }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

const message = async (child, key) => {
  for (;;) {
    const [told] = await once(child, 'message');
    if (told[key] !== undefined) return told[key];
  }
};

async function measured(fleet, services, redis, client, url) {
  const parts = {
    services: () => services.reduce((sum, each) => sum + cpuSeconds(each), 0),
    redis: () => cpuSeconds(redis),
    fleet: () => cpuSeconds(fleet),
  };
  const before = Object.entries(parts).map(([name, read]) => [name, read()]);
  await client.config('RESETSTAT');
  fleet.send('begin');
  const started = performance.now();
  const stalledMs = await longestGap(seconds * 1_000);
  const asked = await timed(() => fetch(`${url}/demand`).then((reply) => reply.json()));
  const wall = (performance.now() - started) / 1_000;
  fleet.send('end');
  const figures = await message(fleet, 'figures');
  const cpu = Object.fromEntries(before.map(([name, taken]) => [name, (parts[name]() - taken) / wall]));
  const scripts = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await client.info('commandstats'));
  return {
    figures,
    wall,
    cpu,
    asked,
    stalledMs,
    scripts: { perSecond: Number(scripts[1]) / wall, us: Number(scripts[2]) / Number(scripts[1]) },
  };
}

/** Waits, and says for how long at most nothing ran here: figures of a machine that stood still mean nothing. */
async function longestGap(ms) {
  const until = performance.now() + ms;
  let longest = 0;
  for (let before = performance.now(); before < until;) {
    await sleep(20);
    longest = Math.max(longest, performance.now() - before - 20);
    before = performance.now();
  }
  return longest;
}

async function timed(act) {
  const started = performance.now();
  const value = await act();
  return { ms: performance.now() - started, value };
}

function print({ figures, wall, cpu, asked, stalledMs, scripts }, services, memory) {
  const calls = (method) => figures.latencies[method]?.calls ?? 0;
  const transitions = ['acquire', 'resize', 'release', 'renew'].reduce((sum, method) => sum + calls(method), 0);
  const all = Object.values(figures.latencies).reduce((sum, each) => sum + each.calls, 0);
  const fixed = (value, digits = 0) => Number(value.toFixed(digits));
  const millis = ({ p50, p99, most }) => `${fixed(p50, 1)} / ${fixed(p99, 1)} / ${fixed(most)}`;
  console.log(
    JSON.stringify(
      {
        workers,
        replicas,
        speed,
        machineStalledMs: fixed(stalledMs),
        load: loadavg().map((each) => fixed(each, 1)),
        transitionsPerSecond: fixed(transitions / wall),
        callsPerSecond: fixed(all / wall),
        grantsPerSecond: fixed((figures.outcomes['acquire granted'] ?? 0) / wall),
        'ms p50 / p99 / most': Object.fromEntries(
          Object.entries(figures.latencies).map(([method, each]) => [method, millis(each)]),
        ),
        errors: figures.errors,
        cores: Object.fromEntries(Object.entries(cpu).map(([name, value]) => [name, fixed(value, 2)])),
        'service ms of processor a call': fixed((1_000 * cpu.services * wall) / all, 3),
        redisScriptsPerSecond: fixed(scripts.perSecond),
        redisUsAScript: fixed(scripts.us, 1),
        demandMs: fixed(asked.ms),
        demand: asked.value,
        serviceMb: services.map((each) => fixed(residentMb(each))),
        redisMb: fixed(memory / 1e6, 1),
      },
      null,
      1,
    ),
  );
}

/** Kills the services, starts them again, and waits until every second worker's lease calls get through. */
async function restart(services, ports, redisUrl, fleet) {
  for (const service of services) service.kill('SIGKILL');
  await sleep(5_000);
  const started = performance.now();
  const again = await Promise.all(ports.map((each) => startService(redisUrl, each)));
  const seen = [];
  while (performance.now() - started < 60_000) {
    fleet.send('begin');
    await sleep(2_000);
    fleet.send('end');
    const { outcomes, latencies, errors } = await message(fleet, 'figures');
    seen.push({
      s: Math.round((performance.now() - started) / 1_000),
      grants: outcomes['acquire granted'] ?? 0,
      errors,
      probes: outcomes.queryDemand ?? 0,
      p99: Math.round(latencies.acquire?.p99 ?? 0),
    });
    if (seen.length >= 5 && seen.slice(-3).every((each) => each.errors === 0)) break;
  }
  console.log(JSON.stringify({ restart: seen }));
  return again;
}

try {
  const redis = await startRedis();
  const ports = await Promise.all(
    Array.from({ length: replicas }, async () => ({ grpc: await port(), http: await port() })),
  );
  const client = new Redis(redis.url, { maxRetriesPerRequest: null });
  let services = await Promise.all(ports.map((each) => startService(redis.url, each)));
  const fleet = fork(join(ROOT, 'test/bench/scale/workers.js'));
  children.push(fleet);
  const scaled = (ms) => (speed === 0 ? 0 : ms / speed);
  fleet.send({
    settings: {
      workers,
      addresses: ports.map(({ grpc }) => `127.0.0.1:${grpc}`),
      capacityBytes: 2 * 1_024 ** 3,
      need: NEED,
      concurrency: Number(flags.concurrency),
      readMs: scaled(READ_MS),
      answerMs: scaled(ANSWER_MS),
      startMs: Number(flags.start) * 1_000,
    },
  });
  await message(fleet, 'ready');
  await sleep(Number(flags.warm) * 1_000);
  const url = `http://127.0.0.1:${ports[0].http}`;
  const run = await measured(fleet, services, redis.child, client, url);
  const memory = Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1]);
  print(run, services, memory);
  if (flags.restart) services = await restart(services, ports, redis.url, fleet);
  client.disconnect();
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
