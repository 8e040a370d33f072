import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { standIn, whyNot } from './base.images.js';
import { ImageBuilder, type Image } from './image.builder.js';
import { asVolume, ImageProcess, runInImage, type RunOptions } from './image.process.js';
import { weigh, weightsTable } from './layer.weights.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KEY = `mk-${'0'.repeat(32)}`;
const reason = whyNot();
if (reason !== undefined) console.log(`skipped: ${reason}`);

/** What all tests share; there is none where images cannot be built. */
interface World {
  readonly builder: ImageBuilder;
  readonly service: Image;
  readonly reader: Image;
  readonly redis: RedisServer;
  /** Volumes of all services of a test. */
  readonly volumes: Readonly<Record<string, string>>;
}
let world: World;
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  if (reason !== undefined) return;
  const builder = new ImageBuilder(ROOT, join(ROOT, 'deploy', 'Dockerfile'), { REVISION: 'abc' }, console.log);
  ends.push(() => {
    builder.remove();
  });
  const folder = mkdtempSync(join(tmpdir(), 'madakv-image-'));
  ends.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const volume = (name: string): string => {
    const path = join(folder, name);
    mkdirSync(path);
    return asVolume(path);
  };
  const redis = await startRedis({ appendOnly: true });
  ends.push(() => redis.stop());
  world = {
    builder,
    service: await builder.build(),
    reader: await builder.build('reader'),
    redis,
    volumes: { '/data': volume('data'), '/cache': volume('cache') },
  };
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

const running: ImageProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.end('SIGKILL')));
});

function start(image: Image, options: RunOptions): ImageProcess {
  const env = { MADAKV_REDIS_URL: world.redis.url, ...options.env };
  const started = new ImageProcess(image, world.builder.place(), { volumes: world.volumes, ...options, env });
  running.push(started);
  return started;
}

/** Waits until a path of a port answers 200. @throws Error with the process's output when it ends first */
async function answered(process: ImageProcess, port: number, path: string): Promise<void> {
  for (;;) {
    const status = await fetch(`http://127.0.0.1:${port}${path}`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    if (process.ended) throw new Error(`it ended:\n${process.output()}`);
    await sleep(100);
  }
}

async function startBudget(options: Partial<RunOptions> = {}): Promise<{ budget: ImageProcess; address: string }> {
  const [port, health] = [await freePort(), await freePort()];
  const env = { MADAKV_BUDGET_PORT: String(port), MADAKV_BUDGET_HTTP_PORT: String(health) };
  const budget = start(world.service, { args: ['budget'], env, ...options });
  await answered(budget, health, '/livez');
  await answered(budget, health, '/readyz');
  return { budget, address: `127.0.0.1:${port}` };
}

const inImage = (image: Image, ...command: string[]): Promise<string> =>
  runInImage(image, world.builder.place(), command);

const Bill = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({ component: z.object({ type: z.literal('application'), version: z.string() }) }),
  components: z.array(z.object({ name: z.string(), version: z.string(), licenses: z.array(z.unknown()).default([]) })),
});

describe.skipIf(reason !== undefined)('the image, its steps run by chroot', () => {
  it('has what runs and nothing to build or install with', async () => {
    const left = await inImage(
      world.service,
      'find',
      '/app',
      '-name',
      '*.d.ts',
      '-o',
      '-name',
      '*.map',
      '-o',
      '-name',
      '*.spec.js',
    );
    expect(left).toBe('');
    const packages = await inImage(
      world.service,
      'ls',
      '/app/node_modules',
      '/app/node_modules/@madakv',
      '/app/libs/engine',
    );
    expect(packages).toContain('onnxruntime-node');
    expect(packages).not.toMatch(/^(typescript|vitest|eslint|testing|src|@eslint)$/m);
    await expect(inImage(world.service, 'npm', '--version')).rejects.toThrow('npm');
  });

  it('has a model only where it is asked for', async () => {
    const models = (image: Image): Promise<string> => inImage(image, 'find', '/app/models', '-name', 'config.json');
    await expect(models(world.service)).rejects.toThrow('No such file');
    expect(await models(world.reader)).toBe('/app/models/madakv-reader/config.json\n');
    expect(world.service.config.env['MADAKV_MODEL']).toBeUndefined();
    expect(world.reader.config.env['MADAKV_MODEL']).toBe('/app/models/madakv-reader');
  });

  it('says what it was made from', () => {
    expect(world.service.config.labels).toMatchObject({ 'org.opencontainers.image.revision': 'abc' });
  });

  it('has a bill of materials that lists every package in it with its licence', async () => {
    const bill = Bill.parse(JSON.parse(await inImage(world.service, 'cat', '/app/sbom.cdx.json')));
    const listed = new Map(
      bill.components.map(({ name, version, licenses }) => [`${name}@${version}`, licenses.length]),
    );
    const manifests = await inImage(
      world.service,
      'find',
      '/app/node_modules',
      '-path',
      '*/node_modules/*/package.json',
      '-regextype',
      'posix-extended',
      '-regex',
      '.*/node_modules/(@[^/]+/)?[^/]+/package\\.json',
      '-exec',
      'node',
      '-e',
      'for (const path of process.argv.slice(1)) { const { name, version } = require(path); console.log(`${name}@${version}`) }',
      '{}',
      '+',
    );
    const installed = manifests.trim().split('\n');
    expect(installed.length).toBeGreaterThan(100);
    expect(installed.filter((name) => !listed.has(name))).toEqual([]);
    // npm calls a workspace package by its folder.
    const own = readdirSync(join(ROOT, 'libs')).concat(readdirSync(join(ROOT, 'apps')));
    const others = [...listed.keys()].filter((name) => !own.includes(name.split('@')[0]));
    expect(others.filter((name) => !installed.includes(name))).toEqual([]);
    expect(bill.components.filter(({ name, licenses }) => licenses.length === 0 && !own.includes(name))).toEqual([]);
  });

  it('answers a question: budget service, gateway and worker start from the entry point as its user, and end when they are told', async () => {
    const { budget, address } = await startBudget();
    const [api, gatewayHealth, workerHealth] = [await freePort(), await freePort(), await freePort()];
    const gateway = start(world.service, {
      args: ['gateway'],
      env: {
        MADAKV_GATEWAY_PORT: String(api),
        MADAKV_GATEWAY_HEALTH_PORT: String(gatewayHealth),
        MADAKV_API_KEYS: `default:${KEY}`,
      },
    });
    const worker = start(world.reader, {
      args: ['worker'],
      env: { MADAKV_BUDGET_ADDRESS: address, MADAKV_WORKER_HEALTH_PORT: String(workerHealth) },
    });
    for (const [process, port] of [
      [gateway, gatewayHealth],
      [worker, workerHealth],
    ] as const) {
      await answered(process, port, '/livez');
      await answered(process, port, '/readyz');
    }
    const healthcheck = world.reader.config.healthcheck;
    await runInImage(world.reader, world.builder.place(), healthcheck, {
      env: {
        MADAKV_WORKER_HEALTH_PORT: String(workerHealth),
        MADAKV_GATEWAY_HEALTH_PORT: '1',
        MADAKV_BUDGET_HTTP_PORT: '1',
      },
    });
    const answer = await fetch(`http://127.0.0.1:${api}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'madakv-reader', max_tokens: 4, messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 200,
      body: { usage: { completion_tokens: expect.any(Number) as number } },
    });
    for (const process of [worker, gateway, budget]) expect(await process.end('SIGTERM')).toBe(0);
  });

  it('runs as any user of group 0', async () => {
    const { budget } = await startBudget({ user: '1234567:0' });
    expect(await budget.end('SIGTERM')).toBe(0);
    const write = ['sh', '-c', 'touch /data/a /cache/a && ! touch /app/a 2>/dev/null && id -u'];
    expect(await runInImage(world.service, world.builder.place(), write, { user: '1234567:0' })).toBe('1234567\n');
  });

  it('runs the command line, and refuses a service that does not exist', async () => {
    const [entry = ''] = world.service.config.entrypoint;
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await inImage(world.service, entry, 'madakv', '--version')).toContain(version);
    await expect(inImage(world.service, entry, 'gate')).rejects.toThrow('usage: budget | gateway');
  });

  it('weighs what docs/operations.md says', async () => {
    const weights = await weigh(world.reader);
    console.log(`${standIn()}\n\n${weightsTable(weights)}`);
    const packed = weights.reduce((sum, { packedBytes }) => sum + packedBytes, 0) / 1e6;
    const page = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');
    const stated = Number(/^\| together +\|.*\| +([\d.]+) +\|$/m.exec(page)?.[1]);
    // Packages come with other versions, and the sources grow.
    expect(packed / stated).toBeGreaterThan(0.9);
    expect(packed / stated).toBeLessThan(1.1);
  });
});
