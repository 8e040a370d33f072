import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnvironment } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { BudgetSettingsSchema } from '../../apps/budget/src/budget.settings.js';
import { GatewaySettingsSchema } from '../../apps/gateway/src/gateway.settings.js';
import { WorkerSettingsSchema } from '../../apps/worker/src/worker.settings.js';
import { parseDockerfile } from '../image/dockerfile.js';
import { configOf } from '../image/image.config.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');
const read = (name: string): string => readFileSync(join(DEPLOY, name), 'utf8');

const SCHEMAS = { budget: BudgetSettingsSchema, gateway: GatewaySettingsSchema, worker: WorkerSettingsSchema };
type App = keyof typeof SCHEMAS;
const APPS = Object.keys(SCHEMAS) as App[];

const ComposeSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      build: z.object({ dockerfile: z.string(), target: z.string() }).optional(),
      command: z.array(z.string()),
      environment: z.record(z.string(), z.string()).default({}),
      volumes: z.array(z.string()).default([]),
      depends_on: z.record(z.string(), z.object({ condition: z.literal('service_healthy') })).default({}),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      ports: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});
const compose = ComposeSchema.parse(parse(read('compose.yaml'), { merge: true }));
/** The image that the services of the compose file run from. */
const image = configOf(parseDockerfile(read('Dockerfile')), 'reader');

/** Fills `${NAME:-default}` and `${NAME:?why}` in as compose does. */
function filled(text: string, given: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}/g,
    (_, name: string, fallback = '') => given[name] ?? fallback,
  );
}

/** What a service of the compose file finds in its environment. */
function environmentOf(app: App): Record<string, string> {
  const given = { MADAKV_API_KEYS: `default:mk-${'0'.repeat(32)}` };
  const own = Object.entries(compose.services[app].environment).map(([name, value]) => [name, filled(value, given)]);
  return { ...image.env, ...(Object.fromEntries(own) as Record<string, string>) };
}

describe('compose.yaml', () => {
  it('has Redis and every service, each with a program of its own', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['budget', 'gateway', 'redis', 'worker']);
    for (const app of APPS) {
      expect(compose.services[app].build).toEqual({ dockerfile: 'deploy/Dockerfile', target: 'reader' });
      expect(compose.services[app].command).toEqual([app]);
      expect(existsSync(join(ROOT, 'apps', app, 'src', 'main.ts'))).toBe(true);
    }
  });

  it.each(APPS)('%s starts with its environment, and no variable is misspelt', (app) => {
    const schema: z.ZodObject = SCHEMAS[app];
    expect(() => parseEnvironment(schema, environmentOf(app))).not.toThrow();
    const known = new Set(APPS.flatMap((each) => Object.keys(SCHEMAS[each].shape)));
    const unknown = Object.keys(environmentOf(app)).filter((name) => name.startsWith('MADAKV_') && !known.has(name));
    expect(unknown).toEqual([]);
    const mine = Object.keys(compose.services[app].environment).filter((name) => name.startsWith('MADAKV_'));
    expect(mine.filter((name) => name !== 'MADAKV_BUDGET_ADDRESS' && !(name in schema.shape))).toEqual([]);
  });

  it('leads services to each other', () => {
    const worker = parseEnvironment(WorkerSettingsSchema, environmentOf('worker'));
    const budget = parseEnvironment(BudgetSettingsSchema, environmentOf('budget'));
    const gateway = parseEnvironment(GatewaySettingsSchema, environmentOf('gateway'));
    expect(worker.MADAKV_BUDGET_ADDRESS).toBe(`budget:${budget.MADAKV_BUDGET_PORT}`);
    expect(compose.services['gateway'].ports).toEqual([expect.stringMatching(`:${gateway.MADAKV_GATEWAY_PORT}$`)]);
    expect(new Set([worker, budget, gateway].map((settings) => settings.MADAKV_REDIS_URL)).size).toBe(1);
    expect(worker.MADAKV_STORAGE).toBe(gateway.MADAKV_STORAGE);
    // Anyone in a container's network reaches what listens on all addresses; on 127.0.0.1 nobody would.
    expect([gateway.MADAKV_GATEWAY_HOST, budget.MADAKV_BUDGET_HOST]).toEqual(['0.0.0.0', '0.0.0.0']);
  });

  it('starts a service when those that it needs are healthy, all of which can tell', () => {
    for (const [name, { depends_on }] of Object.entries(compose.services)) {
      for (const needed of Object.keys(depends_on)) {
        const own = compose.services[needed].healthcheck !== undefined;
        expect({ name, needed, told: own || APPS.includes(needed as App) }).toEqual({ name, needed, told: true });
      }
    }
    expect(image.healthcheck).toEqual(['node', 'deploy/healthcheck.js']);
  });

  it('keeps files that gateway and workers share, and a Redis that forgets nothing', () => {
    for (const app of ['gateway', 'worker']) expect(compose.services[app].volumes).toContain('files:/data');
    const mounted = Object.values(compose.services).flatMap(({ volumes }) =>
      volumes.map((volume) => volume.split(':')[0]),
    );
    expect([...new Set(mounted)].sort()).toEqual(Object.keys(compose.volumes).sort());
    expect(compose.services['redis'].command.join(' ')).toBe(
      'redis-server --appendonly yes --save  --maxmemory-policy noeviction',
    );
  });
});

describe('the image', () => {
  it('listens where it says', () => {
    const settings = APPS.map((app) => parseEnvironment<z.ZodObject>(SCHEMAS[app], environmentOf(app)));
    const ports = settings.flatMap((parsed) => Object.entries(parsed).filter(([name]) => name.endsWith('_PORT')));
    expect(image.ports.sort((a, b) => a - b)).toEqual(ports.map(([, port]) => Number(port)).sort((a, b) => a - b));
  });
});

/** Runs a program to its end. */
async function outcome(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stderr: string }> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (piece) => (stderr += String(piece)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stderr };
}

describe('entrypoint.sh', () => {
  const entrypoint = join(DEPLOY, 'entrypoint.sh');

  it('may be run', () => {
    expect(statSync(entrypoint).mode & 0o111).toBe(0o111);
  });

  it('becomes the service that it is told', async () => {
    const { code, stderr } = await outcome(entrypoint, ['budget'], { MADAKV_BUDGET_PORT: 'x' });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('MADAKV_BUDGET_PORT') as string });
  });

  it.each([[[]], [['gate']]])('refuses %j', async (args) => {
    const { code, stderr } = await outcome(entrypoint, args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('usage: budget | gateway') as string });
  });
});

describe('healthcheck.js', () => {
  it('succeeds when the one service that runs is ready', async () => {
    let status = 503;
    const server = createServer((request, response) =>
      response.writeHead(request.url === '/readyz' ? status : 404).end(),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const env = {
      MADAKV_GATEWAY_HEALTH_PORT: '1',
      MADAKV_WORKER_HEALTH_PORT: String((server.address() as AddressInfo).port),
      MADAKV_BUDGET_HTTP_PORT: '1',
    };
    const check = (): Promise<{ code: number }> => outcome(process.execPath, [join(DEPLOY, 'healthcheck.js')], env);
    expect((await check()).code).toBe(1);
    status = 200;
    expect((await check()).code).toBe(0);
    server.close();
  });
});
