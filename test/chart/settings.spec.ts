import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnvironment, QueryDemandReplySchema } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { BudgetSettingsSchema } from '../../apps/budget/src/budget.settings.js';
import { GatewaySettingsSchema } from '../../apps/gateway/src/gateway.settings.js';
import { deviceIdOf, WorkerSettingsSchema, workerIdOf } from '../../apps/worker/src/worker.settings.js';
import { environmentOf, Rendered, type Container, type Pod } from './chart.js';
import { SCENARIOS } from './scenarios.js';
import { NEEDS_TOOLS, ROOT, TOOLS_ARE_THERE } from './tools.js';
import { MANAGED } from './values.schema.js';

const SCHEMAS = { budget: BudgetSettingsSchema, gateway: GatewaySettingsSchema, worker: WorkerSettingsSchema };
type App = keyof typeof SCHEMAS;
const POD_NAME = `demo-madakv-${'a'.repeat(20)}-7d9c5b6f9d-abcde`;

interface Process {
  readonly of: string;
  readonly app: App;
  readonly pod: Pod;
  readonly container: Container;
}

function processesOf(rendered: Rendered): Process[] {
  return rendered.pods().flatMap(({ of, pod }) => {
    const [container] = pod.spec.containers;
    const app = container.args.at(0);
    return app !== undefined && app in SCHEMAS ? [{ of, app: app as App, pod, container }] : [];
  });
}

function settingsOf({ app, container }: Process): Record<string, unknown> {
  return parseEnvironment<z.ZodObject>(SCHEMAS[app], environmentOf(container, { 'metadata.name': POD_NAME }));
}

/** How long a worker may take for its end after its grace period, in milliseconds, as its program says. */
const WORKER_END_MS = Number(
  /const END_MS = ([\d_]+);/.exec(readFileSync(join(ROOT, 'apps/worker/src/main.ts'), 'utf8'))?.[1].replaceAll('_', ''),
);
/** What a gateway gives those that it told to end, and telemetry; a budget service's last calls. In milliseconds. */
const LAST_MS = 2_000 + 5_000;

describe.skipIf(!TOOLS_ARE_THERE)(`settings in the templates${NEEDS_TOOLS}`, () => {
  describe.each(Object.keys(SCENARIOS))('of %s', (name) => {
    it('are known to their service, and good', async () => {
      const processes = processesOf(await Rendered.of(SCENARIOS[name]));
      expect(new Set(processes.map(({ app }) => app))).toEqual(new Set(['budget', 'gateway', 'worker']));
      for (const process of processes) {
        const given = process.container.env.map((variable) => variable.name);
        const unknown = given.filter((each) => each.startsWith('MADAKV_') && !(each in SCHEMAS[process.app].shape));
        expect({ of: process.of, unknown }).toEqual({ of: process.of, unknown: [] });
        expect({ of: process.of, twice: given.filter((each, i) => given.indexOf(each) !== i) }).toMatchObject({
          twice: [],
        });
        expect(() => settingsOf(process)).not.toThrow();
      }
    });

    it('are those that the schema calls managed, and no others', async () => {
      const processes = processesOf(await Rendered.of(SCENARIOS[name]));
      for (const { of, app, container } of processes) {
        const own = container.env.map((variable) => variable.name).filter((each) => each.startsWith('MADAKV_'));
        // The threads are given unless they are chosen.
        const chosen = own.filter((each) => !([...MANAGED[app], 'MADAKV_THREADS'] as readonly string[]).includes(each));
        const values = JSON.stringify(SCENARIOS[name]);
        expect({ of, chosen: chosen.filter((each) => !values.includes(each)) }).toEqual({ of, chosen: [] });
      }
    });

    it('lead the services to each other', async () => {
      const rendered = await Rendered.of(SCENARIOS[name]);
      const processes = processesOf(rendered);
      const settings = processes.map((process) => ({ process, settings: settingsOf(process) }));
      expect(new Set(settings.map((each) => each.settings['MADAKV_REDIS_URL'])).size).toBe(1);
      for (const shared of ['MADAKV_STORAGE', 'MADAKV_KEY_PREFIX'] as const) {
        expect(new Set(settings.flatMap((each) => each.settings[shared] ?? [])).size).toBe(1);
      }
      for (const { process, settings: found } of settings) {
        // Each port that a service listens on has a name, and each name that a Service or a probe uses is one of them.
        const ports = Object.entries(found).filter(([key]) => key.endsWith('_PORT'));
        const open = process.container.ports.map(({ containerPort }) => containerPort);
        for (const [, port] of ports) expect(open).toContain(port);
        const names = process.container.ports.map((port) => port.name);
        for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
          expect(names).toContain(process.container[probe]?.httpGet?.port);
        }
      }
      for (const { process, settings: found } of settings.filter((each) => each.process.app === 'worker')) {
        const [host, port] = String(found['MADAKV_BUDGET_ADDRESS']).split(':');
        const { spec } = ServiceSchema.parse(rendered.one('Service', host));
        expect(spec.ports).toContainEqual(expect.objectContaining({ port: Number(port), targetPort: 'grpc' }));
        expect(process.pod.metadata.labels).not.toMatchObject(spec.selector);
      }
      for (const service of rendered.all('Service').map((object) => ServiceSchema.parse(object))) {
        const chosen = rendered.pods().filter(({ pod }) => isChosen(pod, service.spec.selector));
        expect(chosen).toHaveLength(1);
        const names = chosen[0]?.pod.spec.containers[0].ports.map((port) => port.name);
        for (const { targetPort } of service.spec.ports) expect(names).toContain(targetPort);
      }
    });

    it('cannot contradict the grace periods', async () => {
      for (const process of processesOf(await Rendered.of(SCENARIOS[name]))) {
        const settings = settingsOf(process);
        const graceMs = Number(settings['MADAKV_GRACE_MS'] ?? settings['MADAKV_GATEWAY_GRACE_MS'] ?? 0);
        const preStopS = Number(process.container.lifecycle?.preStop.exec.command[1] ?? 0);
        const needMs = preStopS * 1_000 + graceMs + (process.app === 'worker' ? WORKER_END_MS : LAST_MS);
        expect({ of: process.of, longer: process.pod.spec.terminationGracePeriodSeconds * 1_000 - needMs > 0 }).toEqual(
          {
            of: process.of,
            longer: true,
          },
        );
      }
    });
  });

  it('follow the values for how long things may take', async () => {
    const rendered = await Rendered.of({
      gateway: {
        graceSeconds: 100,
        preStopSeconds: 20,
        requestTimeoutSeconds: 1_200,
        bodyTimeoutSeconds: 60,
        ingress: { enabled: true, annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '1g' } },
        route: { enabled: true, parentRefs: [{ name: 'public' }] },
      },
      poolDefaults: { graceSeconds: 600, startupSeconds: 3_600 },
    });
    const gateway = rendered.pod('Deployment', 'demo-madakv-gateway');
    expect(gateway.spec.terminationGracePeriodSeconds).toBe(135);
    expect(environmentOf(gateway.spec.containers[0])).toMatchObject({
      MADAKV_GATEWAY_GRACE_MS: '100000',
      MADAKV_GATEWAY_REQUEST_TIMEOUT_MS: '1200000',
      MADAKV_GATEWAY_BODY_MS: '60000',
    });
    const worker = rendered.pod('Deployment', 'demo-madakv-generate');
    expect(worker.spec.terminationGracePeriodSeconds).toBe(635);
    const { startupProbe } = worker.spec.containers[0];
    expect((startupProbe?.failureThreshold ?? 0) * (startupProbe?.periodSeconds ?? 0)).toBe(3_600);
    expect(rendered.one('Deployment', 'demo-madakv-generate')).toMatchObject({
      spec: { progressDeadlineSeconds: 3_720 },
    });
    expect(rendered.one('Ingress', 'demo-madakv').metadata.annotations).toMatchObject({
      'nginx.ingress.kubernetes.io/proxy-read-timeout': '1210',
      'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
      'nginx.ingress.kubernetes.io/proxy-body-size': '1g',
    });
    for (const [bytes, size] of [
      [1_048_576, '256m'],
      [300_000_000, '287m'],
    ] as const) {
      const settings = { MADAKV_GATEWAY_MAX_BODY_BYTES: bytes };
      const large = await Rendered.of({ gateway: { settings, ingress: { enabled: true } } });
      expect(large.one('Ingress', 'demo-madakv').metadata.annotations).toMatchObject({
        'nginx.ingress.kubernetes.io/proxy-body-size': size,
      });
    }
    expect(rendered.one('HTTPRoute', 'demo-madakv')).toMatchObject({
      spec: { rules: [{ timeouts: { request: '1270s' }, backendRefs: [{ name: 'demo-madakv-gateway', port: 80 }] }] },
    });
  });

  it('name each worker and device by its pod, whose host name may be cut', async () => {
    const rendered = await Rendered.of();
    const process = processesOf(rendered).find(({ of }) => of === 'Deployment demo-madakv-generate');
    if (process === undefined) throw new Error('no generate pool');
    const settings = WorkerSettingsSchema.parse(environmentOf(process.container, { 'metadata.name': POD_NAME }));
    expect([workerIdOf(settings), deviceIdOf(settings)]).toEqual([POD_NAME, POD_NAME]);
    expect(process.pod.spec.enableServiceLinks).toBe(false);
  });

  it('take as many threads as the pod has processors, unless told otherwise', async () => {
    const pools = [
      { name: 'a', roles: ['generate' as const], model: 'madakv-reader' },
      { name: 'b', roles: ['generate' as const], model: 'madakv-reader', settings: { MADAKV_THREADS: 7 } },
      { name: 'c', roles: ['generate' as const], model: 'madakv-reader', provider: 'webgpu' as const },
    ];
    const rendered = await Rendered.of({ pools });
    const threads = (name: string): unknown =>
      rendered
        .pod('Deployment', `demo-madakv-${name}`)
        .spec.containers[0].env.filter((each) => each.name === 'MADAKV_THREADS');
    const resourceFieldRef = { containerName: 'worker', resource: 'requests.cpu' };
    expect(threads('a')).toEqual([{ name: 'MADAKV_THREADS', valueFrom: { resourceFieldRef } }]);
    expect(threads('b')).toEqual([{ name: 'MADAKV_THREADS', value: '7' }]);
    expect(threads('c')).toEqual([]);
  });

  it('write lists and maps as JSON, and device capacities as bytes', async () => {
    const rendered = await Rendered.of({
      gateway: {
        settings: { MADAKV_GATEWAY_LIMITS: { requestsPerMinute: 5 }, MADAKV_GATEWAY_MAX_BODY_BYTES: 100_000_000 },
      },
      pools: [
        { name: 'a', roles: ['generate'], model: 'madakv-reader', deviceCapacity: '40Gi' },
        { name: 'b', roles: ['generate'], model: 'madakv-reader', deviceCapacity: 85_899_345_920 },
        { name: 'c', roles: ['prepare'], model: 'madakv-reader', settings: { MADAKV_FETCH_PORTS: [443, 8443] } },
      ],
    });
    const of = (name: string): Record<string, string> =>
      environmentOf(rendered.pod('Deployment', `demo-madakv-${name}`).spec.containers[0]);
    expect(of('gateway')).toMatchObject({
      MADAKV_GATEWAY_LIMITS: '{"requestsPerMinute":5}',
      MADAKV_GATEWAY_MAX_BODY_BYTES: '100000000',
    });
    expect(of('a')['MADAKV_DEVICE_CAPACITY_BYTES']).toBe(String(40 * 1024 ** 3));
    expect(of('b')['MADAKV_DEVICE_CAPACITY_BYTES']).toBe('85899345920');
    expect(of('c')['MADAKV_FETCH_PORTS']).toBe('[443,8443]');
    expect(of('c')).not.toHaveProperty('MADAKV_DEVICE_CAPACITY_BYTES');
  });

  it('put a password into the address of Redis, and TLS', async () => {
    const external = { url: 'rediss://app@redis.example.com', passwordSecret: { name: 'r' }, caSecret: { name: 'ca' } };
    const url = async (redis: object): Promise<string | undefined> => {
      const pod = (await Rendered.of({ redis: { mode: 'external', ...redis } })).pod(
        'Deployment',
        'demo-madakv-budget',
      );
      return environmentOf(pod.spec.containers[0], { password: 'p', encoded: 'p%2F' })['MADAKV_REDIS_URL'];
    };
    expect(await url({ external })).toBe('rediss://app:p@redis.example.com:6379/0');
    const encoded = { ...external, passwordSecret: { name: 'r', urlKey: 'encoded' } };
    expect(await url({ external: encoded })).toBe('rediss://app:p%2F@redis.example.com:6379/0');
    expect(await url({ external: { url: 'redis://10.0.0.5:6380/3' } })).toBe('redis://10.0.0.5:6380/3');
    expect(await url({ external: { url: 'redis://u@redis' } })).toBe('redis://u@redis:6379/0');
    const pod = (await Rendered.of({ redis: { mode: 'external', external } })).pod('Deployment', 'demo-madakv-budget');
    const ca = environmentOf(pod.spec.containers[0])['NODE_EXTRA_CA_CERTS'] ?? '';
    const mount = pod.spec.containers[0].volumeMounts.find(({ mountPath }) => ca.startsWith(`${mountPath}/`));
    const volume = pod.spec.volumes.find((each) => each.name === mount?.name);
    expect(volume).toMatchObject({
      secret: { secretName: 'ca', items: [{ path: ca.slice((mount?.mountPath.length ?? 0) + 1) }] },
    });
  });

  it('ask for a figure that /demand has', () => {
    expect(Object.keys(QueryDemandReplySchema.shape)).toContain('demandBytes');
  });
});

const ServiceSchema = z.looseObject({
  spec: z.looseObject({
    selector: z.record(z.string(), z.string()),
    ports: z.array(z.looseObject({ port: z.int(), targetPort: z.string() })),
  }),
});

function isChosen(pod: Pod, selector: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => pod.metadata.labels[key] === value);
}
