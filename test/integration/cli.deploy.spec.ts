import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
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
      command: z.array(z.string()).default([]),
      profiles: z.array(z.string()).default([]),
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
/** Names of the services that start with a profile, or without any. */
const servicesOf = (profile?: string): string[] =>
  Object.entries(compose.services)
    .filter(([, { profiles }]) => (profile === undefined ? profiles.length === 0 : profiles.includes(profile)))
    .map(([name]) => name)
    .sort();
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
    expect(servicesOf()).toEqual(['budget', 'gateway', 'redis', 'worker']);
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
    const mounted = Object.values(compose.services)
      .flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0] ?? ''))
      .filter((source) => !source.startsWith('.'));
    expect([...new Set(mounted)].sort()).toEqual(Object.keys(compose.volumes).sort());
    expect(compose.services['redis'].command.join(' ')).toBe(
      'redis-server --appendonly yes --save  --maxmemory-policy noeviction',
    );
  });
});

describe('the profile monitoring', () => {
  const yaml = (name: string): unknown => parse(read(`grafana/${name}`));
  /** What a service finds at a path in its container: a path of the repository. */
  const mountOf = (service: string, path: string): string => {
    const found = compose.services[service].volumes.map((volume) => volume.split(':')).find(([, to]) => to === path);
    expect({ service, path, mode: found?.[2] }).toEqual({ service, path, mode: 'ro' });
    return join(DEPLOY, found?.[0] ?? '');
  };
  const endpoints = z.object({ endpoint: z.string() });
  const collector = z
    .object({
      receivers: z.object({ otlp: z.object({ protocols: z.object({ http: endpoints }) }) }),
      processors: z.record(z.string(), z.unknown()),
      exporters: z.looseObject({ prometheus: z.looseObject({ endpoint: z.string() }) }),
      service: z.object({
        pipelines: z.record(
          z.string(),
          z.object({
            receivers: z.array(z.string()),
            processors: z.array(z.string()).default([]),
            exporters: z.array(z.string()),
          }),
        ),
      }),
    })
    .parse(yaml('collector.yaml'));
  const prometheus = z
    .object({
      global: z.object({ scrape_interval: z.string(), evaluation_interval: z.string() }),
      rule_files: z.array(z.string()),
      scrape_configs: z.array(
        z.object({
          job_name: z.string(),
          honor_labels: z.literal(true),
          static_configs: z.array(z.object({ targets: z.array(z.string()) })),
        }),
      ),
    })
    .parse(yaml('prometheus.yaml'));

  it('is asked for, starts with images of a version, and is open on the host alone', () => {
    expect(servicesOf('monitoring')).toEqual(['collector', 'grafana', 'prometheus']);
    for (const name of servicesOf('monitoring')) {
      expect(compose.services[name].image).toMatch(/:v?\d+\.\d+\.\d+$/);
      for (const port of compose.services[name].ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('leads metrics from services to the collector, to Prometheus, to Grafana', () => {
    expect(mountOf('collector', '/etc/otelcol-contrib/config.yaml')).toBe(join(DEPLOY, 'grafana/collector.yaml'));
    expect(collector.receivers.otlp.protocols.http.endpoint).toBe('0.0.0.0:4318');
    expect(read('compose.yaml')).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318');
    for (const { receivers, processors, exporters } of Object.values(collector.service.pipelines)) {
      expect(Object.keys(collector.receivers)).toEqual(expect.arrayContaining(receivers));
      expect(Object.keys(collector.processors)).toEqual(expect.arrayContaining(processors));
      expect(Object.keys(collector.exporters)).toEqual(expect.arrayContaining(exporters));
    }
    expect(collector.service.pipelines['metrics'].exporters).toEqual(['prometheus']);
    const shown = collector.exporters.prometheus.endpoint.split(':')[1];
    expect(mountOf('prometheus', '/etc/prometheus/prometheus.yml')).toBe(join(DEPLOY, 'grafana/prometheus.yaml'));
    expect(prometheus.scrape_configs.flatMap(({ static_configs }) => static_configs)).toEqual([
      { targets: [`collector:${shown}`] },
    ]);
    for (const file of prometheus.rule_files)
      expect(mountOf('prometheus', file)).toBe(join(DEPLOY, 'grafana/alerts.yaml'));
    const sources = z
      .object({
        apiVersion: z.literal(1),
        datasources: z.tuple([
          z.looseObject({
            type: z.literal('prometheus'),
            access: z.literal('proxy'),
            url: z.string(),
            isDefault: z.literal(true),
            jsonData: z.object({ timeInterval: z.string() }),
          }),
        ]),
      })
      .parse(yaml('provisioning/datasources/prometheus.yaml'));
    expect(sources.datasources[0]).toMatchObject({
      url: 'http://prometheus:9090',
      jsonData: { timeInterval: prometheus.global.scrape_interval },
    });
  });

  it('gives Grafana the dashboards of the chart, which are in deploy/grafana too', () => {
    const { providers } = z
      .object({
        apiVersion: z.literal(1),
        providers: z.tuple([
          z.looseObject({ name: z.string(), type: z.literal('file'), options: z.object({ path: z.string() }) }),
        ]),
      })
      .parse(yaml('provisioning/dashboards/madakv.yaml'));
    expect(mountOf('grafana', '/etc/grafana/provisioning')).toBe(join(DEPLOY, 'grafana/provisioning'));
    const folder = mountOf('grafana', providers[0].options.path);
    expect(realpathSync(join(DEPLOY, 'grafana/dashboards'))).toBe(realpathSync(folder));
    expect(readdirSync(folder).every((file) => file.endsWith('.json'))).toBe(true);
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
